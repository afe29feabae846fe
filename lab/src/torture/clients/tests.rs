#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tolerancia_core::ledger::{Refusal, Rejection};
use tolerancia_wire::order::OrderRequest;

use super::*;
use crate::load::api::Failure;
use crate::torture::history::{Answer, Request};

const PATIENT: Duration = Duration::from_secs(30);

async fn serve(routes: Router) -> Http {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Http::new(&url, &url)
}

/// A server that gives one answer to every order.
async fn answered(status: u16, body: Value) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    let http = serve(Router::new().route("/orders", post(async move || (status, Json(body))))).await;
    http.order(&order(1), "key", PATIENT).await
}

fn order(quantity: u64) -> OrderRequest {
    OrderRequest {
        product_id: "PROD-001".parse().unwrap(),
        quantity,
    }
}

fn id() -> OrderId {
    OrderId::from_key(0, "key")
}

#[tokio::test]
async fn an_answer_is_what_it_says_and_nothing_more() {
    let order = id();
    let body = json!({ "order_id": order, "version": 7 });
    assert_eq!(
        answered(201, body.clone()).await,
        Answer::Confirmed {
            order,
            version: Some(7)
        }
    );
    assert_eq!(answered(202, body).await, Answer::Pending { order });
    let rejected = json!({ "order_id": order, "reason": "insufficient_stock" });
    assert_eq!(
        answered(409, rejected).await,
        Answer::Rejected {
            order: Some(order),
            reason: Some(Rejection::InsufficientStock)
        }
    );
    assert_eq!(answered(422, json!({})).await, Answer::KeyTaken);
    let why = Failure::Status(503);
    assert_eq!(answered(503, json!({})).await, Answer::Failed { why });
    assert!(matches!(
        answered(201, json!({ "version": -1 })).await,
        Answer::Malformed { status: 201, .. }
    ));
}

#[tokio::test]
async fn a_cancel_is_done_refused_or_about_nothing() {
    let cancelled = async |status: u16, body: Value| {
        let status = StatusCode::from_u16(status).unwrap();
        let routes = Router::new().route("/orders/{id}/cancel", post(async move || (status, Json(body))));
        serve(routes).await.cancel(id(), PATIENT).await
    };
    assert_eq!(
        cancelled(200, json!({ "version": 3 })).await,
        Answer::Cancelled { version: Some(3) }
    );
    assert_eq!(
        cancelled(409, json!({ "reason": "already_released" })).await,
        Answer::Refused {
            reason: Refusal::AlreadyReleased
        }
    );
    assert_eq!(cancelled(404, json!({})).await, Answer::UnknownOrder);
    assert_eq!(cancelled(202, json!({})).await, Answer::CancelPending);
}

#[tokio::test]
async fn whoever_hangs_up_knows_nothing() {
    let routes = Router::new().route("/orders", post(std::future::pending::<StatusCode>));
    let answer = serve(routes)
        .await
        .order(&order(1), "key", Duration::from_millis(5))
        .await;
    assert_eq!(answer, Answer::Failed { why: Failure::Dropped });
    let nobody = Http::new("http://127.0.0.1:9", "http://127.0.0.1:9");
    assert!(matches!(
        nobody.order(&order(1), "key", PATIENT).await,
        Answer::Failed { .. }
    ));
}

/// Orders by key, and the version.
type Books = Arc<Mutex<(HashMap<String, OrderRequest>, u64)>>;

/// A tiny system that confirms every order: the version grows with each write.
async fn place(
    State(books): State<Books>,
    headers: HeaderMap,
    Json(body): Json<OrderRequest>,
) -> axum::response::Response {
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    let mut books = books.lock().unwrap();
    books.1 += 1;
    let version = books.1;
    if books.0.entry(key.clone()).or_insert_with(|| body.clone()) != &body {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    let order = OrderId::from_key(partition::of_product(&body.product_id, 3), &key);
    (
        StatusCode::CREATED,
        Json(json!({ "order_id": order, "version": version })),
    )
        .into_response()
}

async fn read(State(books): State<Books>, Path(product): Path<String>) -> Json<Value> {
    let version = books.lock().unwrap().1;
    Json(
        json!({ "product_id": product, "version": version, "available": 1, "reserved": 0, "fresh": true, "votes": ["1"] }),
    )
}

#[tokio::test]
async fn clients_do_all_that_they_can_and_remember_what_they_wrote() {
    let books = Books::default();
    let routes = Router::new()
        .route("/orders", post(place))
        .route("/orders/{id}/cancel", post(async || Json(json!({}))))
        .route("/inventory/{product}", get(read))
        .route("/inventory", get(async || Json(json!({ "products": [] }))))
        .with_state(books);
    let load = Load {
        seed: 1,
        rps: 5_000.0,
        clients: 4,
    };
    let products = vec!["PROD-001".parse().unwrap(), "PROD-002".parse().unwrap()];
    let clients = Clients::start(serve(routes).await, products, 3, load);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while clients.answers() < 1_500 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let history = clients.finish().await;
    let has = |wanted: &dyn Fn(&Entry) -> bool| history.entries.iter().any(wanted);
    assert!(has(&|entry| matches!(
        entry.request,
        Request::Order { attempt: 1.., .. }
    ) && matches!(entry.answer, Answer::Confirmed { .. })));
    assert!(has(&|entry| entry.answer == Answer::KeyTaken));
    assert!(has(&|entry| matches!(
        entry.request,
        Request::Cancel { key: Some(_), .. }
    )));
    assert!(has(&|entry| matches!(entry.request, Request::Cancel { key: None, .. })));
    let mut reads = 0;
    for entry in &history.entries {
        if let (Request::Read { known: Some(known), .. }, Answer::Stock { version, .. }) =
            (&entry.request, &entry.answer)
        {
            reads += 1;
            assert!(version >= known);
        }
    }
    assert!(reads > 0);
    assert!(history.entries.is_sorted_by_key(|entry| entry.ended_ns));
}

//! What the document says of the orders API.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;
use tolerancia_core::OrderId;
use tolerancia_service::openapi::{Answer, Operation, Whole};
use tolerancia_wire::order::{OrderList, OrderRequest, OrderStatus, OrderView};

use super::{MAX_KEY, MAX_LIMIT};

/// An idempotency key. Spaces at either end never get here: HTTP does not count them to a header's value.
struct Key;

impl JsonSchema for Key {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "IdempotencyKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_KEY,
            "pattern": "^[!-~]([ -~]*[!-~])?$",
        })
    }
}

pub(super) fn create() -> Operation {
    let order = json!({ "product_id": "PROD-001", "quantity": 1 });
    let stands = |status, description| {
        located(status, description)
            .link("show", "showOrder", "id", "$response.body#/order_id")
            .link("cancel", "cancelOrder", "id", "$response.body#/order_id")
    };
    Operation::new("createOrder", "Orders units of a product")
        .about("The answer comes once a quorum of replicas has reported the same outcome, or after the order timeout.")
        .header::<Key>(
            "Idempotency-Key",
            "The same key with the same body is the same order, and gets the same answer.",
        )
        .body::<OrderRequest>("one", &order)
        .answer(stands(201, "A quorum has reserved it."))
        .answer(stands(
            202,
            "It is in the log, and no quorum has reported in time: ask again at Location.",
        ))
        .problem(409, "A quorum has rejected it; `reason` says why.")
        .problem(422, "The key stands for another order.")
        .answer(Answer::busy(
            "Kafka did not acknowledge it, or too many orders are under way: nothing was accepted.",
        ))
}

pub(super) fn list() -> Operation {
    Operation::new("listOrders", "Orders, the newest first")
        .query::<OrderStatus>("status", "Only those that stand so.")
        .query::<Whole<1, { MAX_LIMIT as u64 }>>("limit", "So many at most; 100 where it is left out.")
        .answer(Answer::json::<OrderList>(200, "The orders."))
        .problem(400, "A parameter is out of range, or there is no such parameter.")
}

pub(super) fn show() -> Operation {
    one("showOrder", "One order")
        .answer(Answer::json::<OrderView>(200, "How it stands."))
        .problem(400, NO_ID)
        .problem(404, UNKNOWN)
}

pub(super) fn cancel() -> Operation {
    let show = |answer: Answer| answer.link("show", "showOrder", "id", "$request.path.id");
    one("cancelOrder", "Cancels an order")
        .answer(show(Answer::json::<OrderView>(200, "A quorum has released it.")))
        .answer(show(located(
            202,
            "The cancel is in the log, and no quorum has reported in time: ask again at Location.",
        )))
        .problem(400, NO_ID)
        .problem(404, UNKNOWN)
        .problem(409, "It was cancelled before, or never confirmed; `reason` says which.")
        .answer(Answer::busy(
            "Kafka did not acknowledge the cancel, or too many requests are under way.",
        ))
}

const NO_ID: &str = "That is no order's id.";
const UNKNOWN: &str = "There is no such order.";

fn one(id: &'static str, summary: &str) -> Operation {
    let example = OrderId::from_key(0, "example");
    Operation::new(id, summary).path::<OrderId>("id", "As `POST /orders` returned it.", example)
}

fn located(status: u16, description: &str) -> Answer {
    let place = json!({ "type": "string", "pattern": "^/orders/[0-9a-f-]{36}$" });
    Answer::json::<OrderView>(status, description).header("Location", "Where the order is shown.", &place)
}

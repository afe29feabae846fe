//! What findings say, in words for people who have not read the code.

use tolerancia_core::ledger::{OrderState, Refusal, Rejection};
use tolerancia_core::{OrderId, Stock};
use tolerancia_wire::order::OrderRequest;

use super::OrderAnswer;

/// A stock that the log may not have.
pub(super) fn stock_or_none(stock: Option<&Stock>) -> String {
    stock.map_or_else(|| "no such version".to_owned(), Stock::to_string)
}

/// What was asked for.
pub(super) fn request(asked: &OrderRequest) -> String {
    format!("{} of {}", asked.quantity, asked.product_id)
}

/// Where an order stands, to be put after "is".
pub(super) fn order_state(state: Option<OrderState>) -> String {
    match state {
        None => "missing".to_owned(),
        Some(OrderState::Confirmed(version)) => format!("confirmed at version {version}"),
        Some(OrderState::Cancelled(version)) => format!("cancelled, having been confirmed at version {version}"),
        Some(OrderState::Rejected(reason)) => format!("rejected: {}", rejection(reason)),
    }
}

/// Why an order was rejected.
pub(super) const fn rejection(reason: Rejection) -> &'static str {
    match reason {
        Rejection::InsufficientStock => "insufficient stock",
        Rejection::UnknownProduct => "unknown product",
        Rejection::ZeroQuantity => "a quantity of zero",
        Rejection::Overflow => "overflow",
    }
}

/// Why a cancel was refused.
pub(super) const fn refusal(reason: Refusal) -> &'static str {
    match reason {
        Refusal::UnknownOrder => "unknown",
        Refusal::AlreadyReleased => "cancelled already",
        Refusal::NeverConfirmed => "never confirmed",
    }
}

/// What a client was told of its order, to be put after "was".
pub(super) fn answered(answer: OrderAnswer) -> String {
    match answer {
        OrderAnswer::Confirmed {
            order,
            version: Some(version),
        } => format!("confirmed as {order} at version {version}"),
        OrderAnswer::Confirmed { order, version: None } => format!("confirmed as {order}"),
        OrderAnswer::Pending { order } => format!("accepted as {order}"),
        OrderAnswer::Rejected => "rejected".to_owned(),
        OrderAnswer::Conflict => "called a conflict".to_owned(),
        OrderAnswer::Unknown => "not answered".to_owned(),
    }
}

/// Several orders.
pub(super) fn ids(ids: &[OrderId]) -> String {
    let ids: Vec<String> = ids.iter().map(OrderId::to_string).collect();
    ids.join(", ")
}

//! What the document says of a replica's answers.

use tolerancia_core::ProductId;
use tolerancia_service::openapi::{Answer, Operation};
use tolerancia_wire::inventory::{ReplicaInventory, ReplicaProduct};

const CATCHING_UP: &str = "The replica is catching up with the log.";

pub(super) fn inventory() -> Operation {
    Operation::new("inventory", "All products, as this replica has them")
        .answer(Answer::json::<ReplicaInventory>(200, "All products by name."))
        .problem(503, CATCHING_UP)
}

pub(super) fn product() -> Operation {
    Operation::new("product", "One product, as this replica has it")
        .path::<ProductId>("product", "Its name.", "PROD-001")
        .answer(Answer::json::<ReplicaProduct>(
            200,
            "Its newest versions, newest first.",
        ))
        .problem(400, "That is no product's name.")
        .answer(Answer::json::<ReplicaProduct>(
            404,
            "There is no such product: no versions.",
        ))
        .problem(503, CATCHING_UP)
}

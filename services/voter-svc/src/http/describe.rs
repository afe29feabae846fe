//! What the document says of the voter's answers.

use tolerancia_core::ProductId;
use tolerancia_service::openapi::{Answer, Operation};
use tolerancia_wire::inventory::{VotedInventory, VotedProduct, VotingStats};

fn no_quorum() -> Answer {
    Answer::busy("No quorum agreed in time, and nothing unverified is served; `replies` tells what each replica said.")
}

pub(super) fn all() -> Operation {
    Operation::new("inventory", "All products")
        .about("Voted product by product. A product on which no quorum agreed in time is listed without a value.")
        .answer(Answer::json::<VotedInventory>(
            200,
            "What a quorum of replicas said of each.",
        ))
        .answer(no_quorum())
}

pub(super) fn one() -> Operation {
    Operation::new("product", "One product")
        .path::<ProductId>("product", "Its name.", "PROD-001")
        .answer(Answer::json::<VotedProduct>(
            200,
            "What a quorum of replicas said of it.",
        ))
        .problem(400, "That is no product's name.")
        .problem(404, "There is no such product, a quorum says.")
        .answer(no_quorum())
}

pub(super) fn stats() -> Operation {
    Operation::new("votingStats", "How votes have ended since the start")
        .answer(Answer::json::<VotingStats>(200, "The counters."))
}

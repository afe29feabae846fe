#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;

use tempfile::TempDir;
use tolerancia_core::ledger::Event;

use super::*;

/// A directory with a saved snapshot of ten orders at position 11, and the digest of its state.
fn saved() -> (TempDir, StateDigest) {
    let dir = tempfile::tempdir().unwrap();
    let (snapshot, restored) = Snapshot::open(dir.path()).unwrap();
    let mut ledger = restored.ledger;
    let product_id: ProductId = "PROD-001".parse().unwrap();
    ledger.apply(
        0,
        0,
        &Event::Restock {
            product_id: product_id.clone(),
            quantity: 1000,
        },
    );
    for n in 1..=10 {
        let order_id = OrderId::from_random(0, [n; 14]);
        ledger.apply(
            0,
            n.into(),
            &Event::Reserve {
                order_id,
                product_id: product_id.clone(),
                quantity: n.into(),
            },
        );
    }
    snapshot.save(&delta(&ledger, 11)).unwrap();
    (dir, ledger.digest())
}

fn delta(ledger: &Ledger, position: u64) -> Delta {
    Delta {
        since: None,
        products: ledger
            .products()
            .map(|(id, product)| (id.clone(), product.clone()))
            .collect(),
        orders: ledger.orders().map(|(id, order)| (*id, order.clone())).collect(),
        positions: [(0, position)].into(),
        last: [(0, Fingerprint::of(&position.to_be_bytes()))].into(),
        digest: ledger.digest(),
    }
}

fn set_aside(dir: &TempDir) -> usize {
    let names = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("snapshot.redb.bad-")).count()
}

#[test]
fn what_was_saved_is_restored() {
    let (dir, digest) = saved();
    let (_, restored) = Snapshot::open(dir.path()).unwrap();
    assert_eq!(restored.positions, [(0, 11)].into());
    assert_eq!(
        (restored.ledger.digest(), restored.ledger.orders().count()),
        (digest, 10)
    );
    assert_eq!(set_aside(&dir), 0);
}

#[test]
fn a_damaged_file_is_set_aside() {
    for (what, damage) in [
        ("empty header", 0..512),
        ("middle", 4096..65_536),
        ("everything", 0..usize::MAX),
    ] {
        let (dir, _) = saved();
        let path = dir.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        let end = damage.end.min(bytes.len());
        bytes[damage.start..end].fill(0xa5);
        fs::write(&path, bytes).unwrap();
        let (snapshot, restored) = Snapshot::open(dir.path()).unwrap();
        assert_eq!(restored.positions, BTreeMap::new(), "{what}");
        assert_eq!(restored.ledger, Ledger::new(), "{what}");
        assert_eq!(set_aside(&dir), 1, "{what}");
        snapshot.save(&delta(&Ledger::new(), 1)).unwrap();
    }
}

#[test]
fn a_text_file_in_its_place_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join(FILE),
        "hello, this is not a snapshot at all\n".repeat(500),
    )
    .unwrap();
    assert_eq!(Snapshot::open(dir.path()).unwrap().1.positions, BTreeMap::new());
    assert_eq!(set_aside(&dir), 1);
}

#[test]
fn contents_that_do_not_belong_together_are_found_out() {
    type Forge = fn(&redb::WriteTransaction);
    let forgeries: [(&str, Forge); 4] = [
        ("an order is gone", |transaction| {
            let id = OrderId::from_random(0, [3; 14]).uuid().as_u128();
            assert!(transaction.open_table(ORDERS).unwrap().remove(id).unwrap().is_some());
        }),
        ("another format", |transaction| {
            let header = br#"{"format":99,"positions":{},"digest":"","check":""}"#.as_slice();
            transaction.open_table(HEADER).unwrap().insert(KEY, header).unwrap();
        }),
        ("another position", |transaction| {
            let mut table = transaction.open_table(HEADER).unwrap();
            let header = table.get(KEY).unwrap().unwrap().value().to_vec();
            let header = String::from_utf8(header).unwrap().replace(r#""0":11"#, r#""0":10"#);
            assert!(header.contains(r#""0":10"#));
            table.insert(KEY, header.as_bytes()).unwrap();
        }),
        ("no header", |transaction| {
            transaction.open_table(HEADER).unwrap().remove(KEY).unwrap();
        }),
    ];
    for (what, forge) in forgeries {
        let (dir, _) = saved();
        {
            let db = Database::open(dir.path().join(FILE)).unwrap();
            let transaction = db.begin_write().unwrap();
            forge(&transaction);
            transaction.commit().unwrap();
        }
        assert_eq!(
            Snapshot::open(dir.path()).unwrap().1.positions,
            BTreeMap::new(),
            "{what}"
        );
        assert_eq!(set_aside(&dir), 1, "{what}");
    }
}

#[test]
fn a_snapshot_of_another_log_is_set_aside() {
    let (dir, _) = saved();
    let (snapshot, _) = Snapshot::open(dir.path()).unwrap();
    let snapshot = snapshot.start_over(dir.path()).unwrap();
    assert_eq!(set_aside(&dir), 1);
    drop(snapshot);
    assert_eq!(Snapshot::open(dir.path()).unwrap().1.positions, BTreeMap::new());
}

#[test]
fn only_the_user_can_help_where_nothing_can_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = format!("{:#}", Snapshot::open(&file.join("inventory-1")).unwrap_err());
    assert!(error.contains("DATA_DIR"), "{error}");

    let (_first, _) = Snapshot::open(dir.path()).unwrap();
    let error = Snapshot::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
    assert_eq!(set_aside(&dir), 0);
}

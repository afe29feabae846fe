//! The state on disk: products, orders and the position that they belong to, written in one transaction.
//!
//! Only what changed is written. The header carries the digest over the whole state and a checksum over
//! itself, so a file whose parts do not belong together is found out at start instead of being believed.
//! Such a file is set aside and the state is made anew from the log, which is the only truth.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageError, TableDefinition, TableError,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tolerancia_core::ledger::{Ledger, Order, Product, StateDigest};
use tolerancia_core::{OrderId, ProductId};

/// The layout of the file. Another one is set aside.
const FORMAT: u32 = 2;
const FILE: &str = "snapshot.redb";
/// What a file that was set aside is called, before the time.
const ASIDE: &str = "snapshot.redb.bad-";
/// Memory for the file's pages, in bytes: everything is read once and written once.
const CACHE: usize = 4 << 20;

const HEADER: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("header");
const PRODUCTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("products");
const ORDERS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("orders");

/// The only key of the header table.
const KEY: &str = "header";

/// What the headers of all layouts have.
#[derive(Debug, Deserialize)]
struct Format {
    format: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    positions: BTreeMap<u16, u64>,
    last: BTreeMap<u16, Fingerprint>,
    digest: String,
    check: String,
}

impl Header {
    fn new(positions: BTreeMap<u16, u64>, last: BTreeMap<u16, Fingerprint>, digest: String) -> Self {
        let mut header = Self {
            format: FORMAT,
            positions,
            last,
            digest,
            check: String::new(),
        };
        header.check = header.expected();
        header
    }

    fn expected(&self) -> String {
        let Self {
            positions,
            last,
            digest,
            ..
        } = self;
        hex(&Sha256::digest(format!("{FORMAT} {positions:?} {last:?} {digest}")))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What tells one record of a log from all others: a log that has it at the same offset is the same log up
/// to there. 128 bits of the SHA-256 of its bytes, which hold the record's unique `event_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn of(payload: &[u8]) -> Self {
        Self(hex(&Sha256::digest(payload)[..16]))
    }
}

/// What changed since the last save.
#[derive(Debug, Clone)]
pub(crate) struct Delta {
    pub products: Vec<(ProductId, Product)>,
    pub orders: Vec<(OrderId, Order)>,
    pub positions: BTreeMap<u16, u64>,
    /// The record before each position.
    pub last: BTreeMap<u16, Fingerprint>,
    pub digest: StateDigest,
}

/// What a snapshot holds. The default is the state before the first event.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub ledger: Ledger,
    /// The next offset of each partition.
    pub positions: BTreeMap<u16, u64>,
    /// The record before each position, where there is one.
    pub last: BTreeMap<u16, Fingerprint>,
}

/// Why a snapshot was not loaded.
enum Trouble {
    /// The file is not what was written: make it anew.
    Unreadable(String),
    /// The file cannot be used at all: only the user can help.
    Unusable(anyhow::Error),
}

impl<E: Into<redb::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Unreadable(error.into().to_string())
    }
}

/// The snapshot file of one replica.
#[derive(Debug)]
pub(crate) struct Snapshot {
    path: PathBuf,
    /// None after a failed write: the database takes nothing more until it is opened anew.
    db: Mutex<Option<Database>>,
}

impl Snapshot {
    /// Opens the snapshot in `dir` and reads it. A file that cannot be read is set aside; then the state is
    /// that before the first event. Blocks.
    ///
    /// # Errors
    /// When the directory cannot be written to, or another process uses the file.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Restored)> {
        std::fs::create_dir_all(dir).with_context(|| unwritable(dir))?;
        let loaded = std::panic::catch_unwind(|| Self::load(dir))
            .unwrap_or_else(|_| Err(Trouble::Unreadable("reading it failed".to_owned())));
        match loaded {
            Ok(loaded) => Ok(loaded),
            Err(Trouble::Unusable(error)) => Err(error),
            Err(Trouble::Unreadable(why)) => {
                let aside = Self::set_aside(dir)?;
                tracing::warn!(why, aside = %aside.display(), "the snapshot cannot be used; it is set aside and the state is rebuilt from the log");
                Self::load(dir).map_err(|trouble| match trouble {
                    Trouble::Unusable(error) => error,
                    Trouble::Unreadable(why) => anyhow!("{why}").context(unwritable(dir)),
                })
            }
        }
    }

    /// Gives up this snapshot, which does not fit the log, and begins a new one. Blocks.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn start_over(self, dir: &Path) -> Result<Self> {
        drop(self);
        Self::set_aside(dir)?;
        Ok(Self::open(dir)?.0)
    }

    fn load(dir: &Path) -> Result<(Self, Restored), Trouble> {
        let path = dir.join(FILE);
        let db = Database::builder().set_cache_size(CACHE).create(&path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => Trouble::Unusable(anyhow!(
                "{} is in use by another process: stop the other replica, or give this one a data directory of its own (DATA_DIR)",
                path.display()
            )),
            DatabaseError::Storage(StorageError::Io(error)) if !is_damage(error.kind()) => {
                Trouble::Unusable(anyhow!(error).context(unwritable(dir)))
            }
            other => other.into(),
        })?;
        let restored = read(&db)?;
        let db = Mutex::new(Some(db));
        Ok((Self { path, db }, restored))
    }

    fn set_aside(dir: &Path) -> Result<PathBuf> {
        // One is kept for whoever wants to know why; a full copy for each change of logs would fill the disk.
        let earlier = std::fs::read_dir(dir).with_context(|| unwritable(dir))?;
        for entry in earlier.filter_map(Result::ok) {
            if entry.file_name().to_string_lossy().starts_with(ASIDE) {
                std::fs::remove_file(entry.path()).with_context(|| unwritable(dir))?;
            }
        }
        let aside = dir.join(format!("{ASIDE}{}", jiff::Timestamp::now().as_millisecond()));
        std::fs::rename(dir.join(FILE), &aside).with_context(|| unwritable(dir))?;
        Ok(aside)
    }

    /// Writes the changes and the position in one transaction, durably. Blocks.
    ///
    /// # Errors
    /// When the disk does not take it; then the file is as before.
    pub(crate) fn save(&self, delta: &Delta) -> Result<(), redb::Error> {
        let mut slot = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let db = match slot.take() {
            Some(db) => db,
            None => Database::builder().set_cache_size(CACHE).create(&self.path)?,
        };
        Self::write(&db, delta)?;
        *slot = Some(db);
        Ok(())
    }

    fn write(db: &Database, delta: &Delta) -> Result<(), redb::Error> {
        let transaction = db.begin_write()?;
        {
            let mut products = transaction.open_table(PRODUCTS)?;
            for (id, product) in &delta.products {
                products.insert(id.as_str(), to_json(product).as_slice())?;
            }
            let mut orders = transaction.open_table(ORDERS)?;
            for (id, order) in &delta.orders {
                orders.insert(id.uuid().as_u128(), to_json(order).as_slice())?;
            }
            let header = Header::new(delta.positions.clone(), delta.last.clone(), delta.digest.to_string());
            transaction
                .open_table(HEADER)?
                .insert(KEY, to_json(&header).as_slice())?;
        }
        transaction.commit()?;
        Ok(())
    }
}

fn read(db: &Database) -> Result<Restored, Trouble> {
    let unreadable = |what: &str| Trouble::Unreadable(what.to_owned());
    let transaction = db.begin_read()?;
    let header = match transaction.open_table(HEADER) {
        Ok(table) => table.get(KEY)?.map(|value| value.value().to_vec()),
        // A new file.
        Err(TableError::TableDoesNotExist(_)) => return Ok(Restored::default()),
        Err(error) => return Err(error.into()),
    };
    let header = header.ok_or_else(|| unreadable("it has no header"))?;
    let Format { format } = from_json(&header)?;
    if format != FORMAT {
        return Err(Trouble::Unreadable(format!(
            "it has format {format}, this program writes {FORMAT}"
        )));
    }
    let header: Header = from_json(&header)?;
    if header.check != header.expected() {
        return Err(unreadable("its header does not match its checksum"));
    }
    let mut products = Vec::new();
    for entry in transaction.open_table(PRODUCTS)?.iter()? {
        let (key, value) = entry?;
        let id: ProductId = key
            .value()
            .parse()
            .map_err(|_| unreadable("a product's name is damaged"))?;
        products.push((id, from_json::<Product>(value.value())?));
    }
    let mut orders = Vec::new();
    for entry in transaction.open_table(ORDERS)?.iter()? {
        let (key, value) = entry?;
        let id = format!("{:032x}", key.value()).parse::<OrderId>();
        orders.push((
            id.map_err(|_| unreadable("an order's name is damaged"))?,
            from_json::<Order>(value.value())?,
        ));
    }
    let ledger = Ledger::restore(products, orders);
    if ledger.digest().to_string() != header.digest {
        return Err(unreadable("its contents do not match their digest"));
    }
    Ok(Restored {
        ledger,
        positions: header.positions,
        last: header.last,
    })
}

/// Kinds of I/O errors by which redb says that a file is none of its own.
fn is_damage(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::InvalidInput
    )
}

fn unwritable(dir: &Path) -> String {
    format!(
        "the data directory {} cannot be used: make it writable, or choose another (DATA_DIR)",
        dir.display()
    )
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("the state has only text keys")
}

fn from_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Trouble> {
    serde_json::from_slice(bytes).map_err(|error| Trouble::Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests;

//! The state on disk: products, orders and the position that they belong to, written in one transaction.
//!
//! Only what changed is written. Damage is found by three proofs, each over what the one before leaves open:
//! * redb's own checksums, a tree of hashes over all pages, are verified at every open, not only after a crash.
//!   Without that a damaged page would be followed: into a panic at best, round in circles at worst;
//! * the header has a SHA-256 over the position, the fingerprints of the last records and the digest;
//! * the digest is over every product and order that was read.
//!
//! So a file is either a state that was saved, with the position that belongs to it, or it is set aside and the
//! state is made anew from the log, which is the only truth. An *older* saved state, which redb may fall back to,
//! is no wrong one: the log is read from its position on.
//!
//! Commits are `Durability::Immediate`, redb's default. Two-phase commit would cost a second `fsync` each and
//! protects against whoever can make redb's checksums collide, which are not cryptographic; the SHA-256 above
//! them is. Quick repair would only spare the check that is wanted here.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, anyhow};
use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};
use serde::{Deserialize, Serialize};
use tolerancia_core::ledger::{Ledger, Order, Product, StateDigest};
use tolerancia_core::{OrderId, ProductId};

mod header;

pub use header::Fingerprint;
use header::{FORMAT, Format, Header};

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

/// What changed since the last save.
#[derive(Debug, Clone)]
pub struct Delta {
    /// The positions that the changes begin from. None: these are no changes but the whole state.
    pub since: Option<BTreeMap<u16, u64>>,
    /// Products that changed, as they are now.
    pub products: Vec<(ProductId, Product)>,
    /// Orders that changed, as they are now.
    pub orders: Vec<(OrderId, Order)>,
    /// The next offset of each partition.
    pub positions: BTreeMap<u16, u64>,
    /// The record before each position.
    pub last: BTreeMap<u16, Fingerprint>,
    /// Over the whole state.
    pub digest: StateDigest,
}

/// What a snapshot holds. The default is the state before the first event.
#[derive(Debug, Default)]
pub struct Restored {
    /// The state.
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
        match error.into() {
            redb::Error::Io(error) if !is_damage(error.kind()) => Self::Unusable(anyhow!(error)),
            other => Self::Unreadable(other.to_string()),
        }
    }
}

/// Why changes were not saved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotSaved {
    /// The disk does not take them: the file is as before, and the same changes can be tried again.
    Refused(String),
    /// The file does not hold what they begin from, because it was damaged: only the whole state helps.
    Baseless(String),
}

/// The snapshot file of one replica.
#[derive(Debug)]
pub(crate) struct Snapshot {
    dir: PathBuf,
    file: Mutex<File>,
}

#[derive(Debug)]
struct File {
    /// None after a failed write: the database takes nothing more until it is opened anew.
    db: Option<Database>,
    /// The positions of the state that it holds.
    holds: BTreeMap<u16, u64>,
    /// The last write failed in a way that no disk explains.
    suspect: bool,
}

impl File {
    /// The database, if it is open, is closed. redb writes then, which on a damaged file may panic as every write may.
    fn close(&mut self) {
        if let Some(db) = self.db.take()
            && catch_unwind(AssertUnwindSafe(|| drop(db))).is_err()
        {
            tracing::warn!("the snapshot could not be closed in order: the next start looks whether it is damaged");
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.close();
    }
}

impl Snapshot {
    /// Opens the snapshot in `dir` and reads it. A file that cannot be read is set aside; then the state is
    /// that before the first event. Blocks.
    ///
    /// # Errors
    /// When the directory cannot be written to, or another process uses the file.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Restored)> {
        std::fs::create_dir_all(dir).map_err(|error| unusable(dir, error.into()))?;
        let (db, restored) = match load(dir) {
            Err(Trouble::Unreadable(why)) => {
                let aside = set_aside(dir)?;
                tracing::warn!(why, aside = %aside.display(), "the snapshot cannot be used; it is set aside and the state is rebuilt from the log");
                load(dir)
            }
            loaded => loaded,
        }
        .map_err(|trouble| match trouble {
            Trouble::Unusable(error) => unusable(dir, error),
            Trouble::Unreadable(why) => unusable(dir, std::io::Error::other(why).into()),
        })?;
        let file = Mutex::new(File {
            db: Some(db),
            holds: restored.positions.clone(),
            suspect: false,
        });
        let dir = dir.to_owned();
        Ok((Self { dir, file }, restored))
    }

    /// Gives up this snapshot, which does not fit the log, and begins a new one. Blocks.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn start_over(self, dir: &Path) -> Result<Self> {
        drop(self);
        set_aside(dir)?;
        Ok(Self::open(dir)?.0)
    }

    /// Writes the changes and the position in one transaction, durably. Blocks.
    ///
    /// # Errors
    /// When the disk does not take them, or the file is not what they begin from. A file that was damaged is set
    /// aside, here as at the start.
    pub(crate) fn save(&self, delta: &Delta) -> Result<(), NotSaved> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.db.is_none() {
            self.reopen(&mut file)?;
        }
        let db = file.db.as_ref().expect("it was just opened");
        let based = |since: &BTreeMap<u16, u64>| *since == file.holds || delta.positions == file.holds;
        if !delta.since.as_ref().is_none_or(based) {
            return Err(NotSaved::Baseless("it does not hold the state before".to_owned()));
        }
        // On a damaged file redb may panic.
        let written = catch_unwind(AssertUnwindSafe(|| write(db, delta)));
        if matches!(written, Ok(Ok(()))) {
            file.holds.clone_from(&delta.positions);
            file.suspect = false;
            return Ok(());
        }
        // It takes nothing more after a failure.
        file.close();
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error @ (redb::Error::Io(_) | redb::Error::PreviousIo))) => {
                Err(NotSaved::Refused(error.to_string()))
            }
            Ok(Err(error)) => self.doubt(&mut file, error.to_string()),
            Err(_) => self.doubt(&mut file, "writing it failed".to_owned()),
        }
    }

    /// Opens the file as it is now, checked anew; a new one if it is damaged.
    fn reopen(&self, file: &mut File) -> Result<(), NotSaved> {
        let refused = |trouble| match trouble {
            Trouble::Unusable(error) => NotSaved::Refused(format!("{error:#}")),
            Trouble::Unreadable(why) => NotSaved::Refused(why),
        };
        let (db, restored) = match load(&self.dir) {
            Err(Trouble::Unreadable(why)) => {
                self.give_up(file, &why)?;
                load(&self.dir)
            }
            loaded => loaded,
        }
        .map_err(refused)?;
        file.db = Some(db);
        file.holds = restored.positions;
        Ok(())
    }

    /// After a failure that may be damage. Opening anew tells; if it does not, the second failure does.
    fn doubt(&self, file: &mut File, why: String) -> Result<(), NotSaved> {
        if !std::mem::replace(&mut file.suspect, true) {
            return Err(NotSaved::Refused(why));
        }
        self.give_up(file, &why)?;
        Err(NotSaved::Baseless(why))
    }

    fn give_up(&self, file: &mut File, why: &str) -> Result<(), NotSaved> {
        let aside = set_aside(&self.dir).map_err(|error| NotSaved::Refused(format!("{error:#}")))?;
        tracing::warn!(why, aside = %aside.display(), "the snapshot was damaged; it is set aside and written anew");
        file.holds = BTreeMap::new();
        file.suspect = false;
        Ok(())
    }
}

/// Opens the file, or makes one, and reads it.
fn load(dir: &Path) -> Result<(Database, Restored), Trouble> {
    // The checks find damage before it is followed; this is for what they might leave.
    catch_unwind(|| {
        let path = dir.join(FILE);
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
        let db = builder.create(&path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => Trouble::Unusable(anyhow!(
                "{} is in use by another process: stop the other replica, or give this one a data directory of its own (DATA_DIR)",
                path.display()
            )),
            other => other.into(),
        })?;
        let restored = read(&db)?;
        Ok((db, restored))
    })
    .unwrap_or_else(|_| Err(Trouble::Unreadable("reading it failed".to_owned())))
}

fn set_aside(dir: &Path) -> Result<PathBuf> {
    // One is kept for whoever wants to know why; a full copy for each change of logs would fill the disk.
    let failed = |error: std::io::Error| unusable(dir, error.into());
    for entry in std::fs::read_dir(dir).map_err(failed)?.filter_map(Result::ok) {
        if entry.file_name().to_string_lossy().starts_with(ASIDE) {
            let directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let remove = |path| {
                if directory {
                    std::fs::remove_dir_all(path)
                } else {
                    std::fs::remove_file(path)
                }
            };
            remove(entry.path()).map_err(failed)?;
        }
    }
    let aside = dir.join(format!("{ASIDE}{}", jiff::Timestamp::now().as_millisecond()));
    std::fs::rename(dir.join(FILE), &aside).map_err(failed)?;
    Ok(aside)
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

fn read(db: &Database) -> Result<Restored, Trouble> {
    let unreadable = |what: &str| Trouble::Unreadable(what.to_owned());
    let transaction = db.begin_read()?;
    let header = match transaction.open_table(HEADER) {
        Ok(table) => table.get(KEY)?.map(|value| value.value().to_vec()),
        // A new file, if there is nothing else: orders without a position would be taken for those of the next save.
        Err(TableError::TableDoesNotExist(_)) if transaction.list_tables()?.next().is_none() => {
            return Ok(Restored::default());
        }
        Err(TableError::TableDoesNotExist(_)) => None,
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
    if !header.is_whole() {
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

/// Kinds of I/O errors by which redb, or the system, says that a file is none of redb's.
fn is_damage(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::InvalidInput | ErrorKind::IsADirectory
    )
}

/// The error for a data directory that only the user can make usable, and how. What is no error of the system's says
/// that by itself.
fn unusable(dir: &Path, error: anyhow::Error) -> anyhow::Error {
    let Some(kind) = error.downcast_ref().map(std::io::Error::kind) else {
        return error;
    };
    let dir = dir.display();
    error.context(match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("there is no space in the data directory {dir}: free the disk, or choose another (DATA_DIR)")
        }
        _ => format!("the data directory {dir} cannot be used: make it writable, or choose another (DATA_DIR)"),
    })
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("the state has only text keys")
}

fn from_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Trouble> {
    serde_json::from_slice(bytes).map_err(|error| Trouble::Unreadable(error.to_string()))
}

#[cfg(test)]
mod damage;
#[cfg(test)]
mod tests;

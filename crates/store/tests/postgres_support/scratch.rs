//! A schema of a test's own in the database of `POSTGRES_URL`: it needs no right to create databases.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
use uuid::Uuid;

/// An empty schema, dropped at the end.
pub struct Scratch {
    base: String,
    name: String,
}

impl Scratch {
    /// # Panics
    /// When there is no PostgreSQL.
    pub async fn new() -> Self {
        let base = std::env::var("POSTGRES_URL").expect(
            "POSTGRES_URL is not set: these tests need PostgreSQL, eval \"$(scripts/postgres.sh start)\" starts one",
        );
        let name = format!("test_{}", Uuid::now_v7().simple());
        let scratch = Self { base, name };
        execute(&scratch.base, &format!("CREATE SCHEMA {}", scratch.name)).await;
        scratch
    }

    /// The URL for a store. Its sessions bear the schema's name.
    pub fn url(&self) -> String {
        self.url_with("")
    }

    /// The same with more `-c` options of the session.
    pub fn url_with(&self, options: &str) -> String {
        let (base, name) = (&self.base, &self.name);
        let mark = if base.contains('?') { '&' } else { '?' };
        let options = format!("-c search_path={name} {options}")
            .replace(' ', "%20")
            .replace('=', "%3D");
        format!("{base}{mark}application_name={name}&options={options}")
    }

    /// The URL by way of another port of this host.
    pub fn url_via(&self, port: u16) -> String {
        let address = self.address();
        self.url()
            .replacen(&format!("@{address}/"), &format!("@127.0.0.1:{port}/"), 1)
    }

    /// `HOST:PORT` of the server.
    pub fn address(&self) -> String {
        let (_, rest) = self.base.rsplit_once('@').unwrap();
        rest.split(['/', '?']).next().unwrap().to_owned()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The password in the URL.
    pub fn password(&self) -> &str {
        let (user, _) = self.base.rsplit_once('@').unwrap();
        user.rsplit_once(':').unwrap().1
    }

    /// A session that the store knows nothing of.
    pub async fn session(&self) -> PgConnection {
        let url = self.url().replace("application_name=", "application_name=other_");
        PgConnection::connect(&url).await.unwrap()
    }

    pub async fn execute(&self, sql: &str) {
        raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.session().await)
            .await
            .unwrap();
    }

    /// The first column of all rows.
    pub async fn query(&self, sql: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .bind(&self.name)
            .fetch_all(&mut self.session().await)
            .await
            .unwrap()
    }
}

async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url)
        .await
        .expect("PostgreSQL answers at POSTGRES_URL");
    raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap();
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (base, sql) = (self.base.clone(), format!("DROP SCHEMA {} CASCADE", self.name));
        // A runtime cannot be entered from within one; a panic in here must not hide the test's own.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(execute(&base, &sql));
        });
        if dropped.join().is_err() {
            eprintln!("the schema {} could not be dropped", self.name);
        }
    }
}

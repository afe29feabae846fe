//! Which requests the broker knows, in words that older clients can read.
//!
//! tansu writes the optional fields of that answer even where they hold their defaults. Kafka leaves them out, and
//! librdkafka 2.0, as in Debian 12's `kcat`, cannot read them: it takes their sizes for signed numbers.

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::{ApiVersionsResponse, Body, Frame};

/// Leaves out what the answer to `ApiVersions` need not say.
pub(crate) struct PlainVersions<S>(pub(crate) S);

impl<S> Service<(), Frame> for PlainVersions<S>
where
    S: Service<(), Frame, Response = Frame, Error = Error>,
{
    type Response = Frame;
    type Error = Error;

    async fn serve(&self, context: Context<()>, request: Frame) -> Result<Frame, Error> {
        let mut answer = self.0.serve(context, request).await?;
        if let Body::ApiVersionsResponse(versions) = answer.body {
            answer.body = plain(versions).into();
        }
        Ok(answer)
    }
}

fn plain(versions: ApiVersionsResponse) -> ApiVersionsResponse {
    versions
        .supported_features(None)
        .finalized_features_epoch(None)
        .finalized_features(None)
        .zk_migration_ready(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tansu_sans_io::{ApiKey as _, ApiVersionsRequest, Header};

    use super::*;

    #[test]
    fn the_answer_ends_without_optional_fields() {
        let tansus = ApiVersionsResponse::default()
            .finalized_features(Some([].into()))
            .finalized_features_epoch(Some(-1))
            .supported_features(Some([].into()))
            .zk_migration_ready(Some(false))
            .api_keys(Some([].into()))
            .throttle_time_ms(Some(0));
        let header = || Header::Response { correlation_id: 7 };
        let bytes =
            |answer: ApiVersionsResponse| Frame::response(header(), answer.into(), ApiVersionsRequest::KEY, 3).unwrap();
        // Length, correlation, error, no keys, throttle time, no tags.
        let plainly = [0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 1, 0, 0, 0, 0, 0];
        assert_eq!(bytes(plain(tansus.clone()))[..], plainly);
        assert!(
            bytes(tansus).len() > plainly.len(),
            "tansu leaves them out itself: this module can go"
        );
    }
}

//! What ids look like, for the descriptions of interfaces. The tests compare it with what is accepted.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{OrderId, ProductId, ReplicaId};

impl JsonSchema for ProductId {
    fn schema_name() -> Cow<'static, str> {
        "ProductId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A product's name.",
            "minLength": 1,
            "maxLength": Self::MAX_LEN,
            "pattern": "^[A-Za-z0-9._-]+$",
        })
    }
}

impl JsonSchema for ReplicaId {
    fn schema_name() -> Cow<'static, str> {
        "ReplicaId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "The number of an inventory replica, 1 to 255.",
            "pattern": "^([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])$",
        })
    }
}

impl JsonSchema for OrderId {
    fn schema_name() -> Cow<'static, str> {
        "OrderId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An order: a UUID of version 8 that carries its partition.",
            "format": "uuid",
            "pattern": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-8[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$",
        })
    }
}

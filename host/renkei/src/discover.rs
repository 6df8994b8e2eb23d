//! The live schemas of a system's objects: all at once, or one by one where one of them is the
//! trouble.

use renkei_model::plugin::{PluginError, Schema};
use renkei_model::ports::Connector;

/// Objects that a system does not describe, each with the error.
pub(crate) type UndescribedObjects = Vec<(String, PluginError)>;

/// The schemas of these objects and the objects that are not described. An object that the account
/// lacks is in neither. The caller has just heard which account it is.
pub(crate) async fn discover(
    connector: &dyn Connector,
    objects: Vec<String>,
) -> Result<(Vec<Schema>, UndescribedObjects), PluginError> {
    let error = match connector.discover(&objects).await {
        Ok(schemas) => return Ok((schemas, UndescribedObjects::new())),
        Err(error) => error,
    };
    if !is_about_one(&error) {
        return Err(error);
    }
    let (mut schemas, mut refused) = (Vec::new(), UndescribedObjects::new());
    for object in objects {
        match connector.discover(std::slice::from_ref(&object)).await {
            Ok(found) => schemas.extend(found),
            Err(PluginError::NotFound { .. }) => {}
            Err(error) if is_about_one(&error) => refused.push((object, error)),
            Err(error) => return Err(error),
        }
    }
    Ok((schemas, refused))
}

/// True if an error may be about one object while others answer: so may be an answer of trouble
/// (500) and no answer, once the account has answered.
fn is_about_one(error: &PluginError) -> bool {
    use PluginError::{Forbidden, Host, Invalid, NotFound, Unsupported};
    matches!(
        error,
        Forbidden { .. } | Host { .. } | Invalid { .. } | NotFound { .. } | Unsupported { .. }
    )
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use renkei_model::effect::EffectCall;
    use renkei_model::plugin::{Account, Generation};
    use renkei_model::record::{Batch, Outcome, Page, PageRequest};
    use renkei_model::value::Value;

    use super::*;

    /// Describes all objects but one, of which it says this.
    struct Troubled(Generation, fn(Generation) -> PluginError);

    fn none<T>() -> T {
        panic!("nothing else is asked")
    }

    #[async_trait]
    impl Connector for Troubled {
        fn generation(&self) -> &Generation {
            &self.0
        }
        async fn check(&self) -> Result<Account, PluginError> {
            none()
        }
        async fn discover(&self, objects: &[String]) -> Result<Vec<Schema>, PluginError> {
            if objects.iter().any(|object| object == "deals") {
                return Err((self.1)(self.0.clone()));
            }
            let schema = |object: &String| Schema {
                object: object.clone(),
                label: String::new(),
                fields: Vec::new(),
                facts: Vec::new(),
            };
            Ok(objects.iter().map(schema).collect())
        }
        async fn read_page(&self, _: &PageRequest) -> Result<Page, PluginError> {
            none()
        }
        async fn read_records(
            &self,
            _: &str,
            _: &[String],
            _: &[String],
        ) -> Result<Page, PluginError> {
            none()
        }
        async fn find(
            &self,
            _: &str,
            _: &[String],
            _: &str,
            _: &[Value],
        ) -> Result<Batch, PluginError> {
            none()
        }
        async fn perform(&self, _: EffectCall<'_>) -> Result<Vec<Outcome>, PluginError> {
            none()
        }
    }

    /// `RULES.md R20`.
    #[tokio::test]
    async fn failing_object_does_not_hide_the_schemas_of_others() {
        let text = str::to_owned;
        let generation =
            Generation { plugin: text("crm"), version: text("1"), digest: String::new() };
        let ask = async |error| {
            let objects = ["contacts", "deals", "companies"].map(text).to_vec();
            discover(&Troubled(generation.clone(), error), objects).await
        };
        let trouble = |plugin| PluginError::Host { plugin, reason: "HTTP status 500".to_owned() };
        let (schemas, refused) = ask(trouble).await.unwrap();
        let found: Vec<&str> = schemas.iter().map(|schema| schema.object.as_str()).collect();
        assert_eq!(found, ["contacts", "companies"]);
        let [(object, PluginError::Host { .. })] = &refused[..] else { panic!("{refused:?}") };
        assert_eq!(object, "deals");
        let busy = ask(|plugin| PluginError::RetryAfter { plugin, after_ms: 1 }).await;
        assert!(matches!(busy, Err(PluginError::RetryAfter { .. })), "that is the system's");
    }
}

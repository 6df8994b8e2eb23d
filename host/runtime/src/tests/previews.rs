//! Previews of a new version, with rows that the runtime kept.

use renkei_fixtures::{Fixture, assemble, plugin, plugin_version};
use renkei_package::Package;

use super::{House, forward};

/// The echo that leaves out the first cell of the first row.
fn muted() -> Vec<u8> {
    let manifest = Package::read("x", plugin_version(Fixture::Echo, "2.0.0")).unwrap().manifest;
    let manifest = manifest.to_json().to_string().replace("\"two-way\"", "\"one-way\"");
    let wat = include_str!("../../../../tests/fixtures/wat/echo.wat");
    let answer = "(i32.store8 (i32.const 1024) (i32.const 0))";
    let first = "(memory.fill (i32.load offset=40 (local.get $rows)) (i32.const 0) (i32.const 1))";
    assemble(&wat.replace(answer, &format!("{first} {answer}")), "transform-plugin", &manifest)
}

#[tokio::test]
async fn a_preview_compares_recent_rows_and_touches_nothing() {
    let house = House::new(&[Fixture::Echo], vec![]).await;
    forward(&house.runtime, "echo", "same", 5).await.unwrap();
    let same = plugin_version(Fixture::Echo, "1.1.0");
    let preview = house.runtime.preview("new.wasm", same, None, false).await.unwrap();
    assert_eq!((preview.rows, preview.changed_rows), (5, 0));
    assert_eq!(preview.serving.unwrap().version, "1.0.0");
    assert!(!preview.serves);
    let itself = house.runtime.preview("x.wasm", plugin(Fixture::Echo), None, false).await.unwrap();
    assert_eq!((itself.serves, itself.serving), (true, None), "there is no version before it");
    let other =
        house.runtime.preview("new.wasm", plugin(Fixture::Loses), Some("echo".to_owned()), false);
    let other = other.await.unwrap();
    assert_eq!((other.rows, other.changed_rows), (5, 5), "{other:?}");
    assert_eq!((other.failures[0].before, other.failures[0].after), (0, 5));
    assert!(other.failures[0].reason.as_ref().unwrap().contains("rows"), "{other:?}");
    assert_eq!(house.runtime.generation("echo").unwrap().version, "1.0.0");

    let house = house.again(|options| options.read_only = true).await;
    let preview = house.runtime.preview("new.wasm", muted(), None, false).await.unwrap();
    assert_eq!((preview.rows, preview.changed_rows), (5, 5), "rows outlive a restart");
    let field = &preview.fields[0];
    assert_eq!((field.function.as_str(), field.field.as_str(), field.changed), ("same", "a", 5));
    assert_eq!(field.examples[0].after, "absent");
    assert!(field.examples[0].before.starts_with("text of "), "{field:?}");
    let refused = house.runtime.preview("new.wasm", b"garbage".to_vec(), None, false).await;
    assert!(refused.is_err());
}

//! Tables for people.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use renkei_admin::text;

/// A table without lines: a header and rows of text. A line end in a cell is shown as `\n`, so that
/// nothing looks like a row that is none.
pub(crate) fn plain(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    let lines = |row: Vec<String>| row.iter().map(|cell| text::line(cell)).collect::<Vec<_>>();
    table.add_rows(rows.into_iter().map(lines));
    table.trim_fmt()
}

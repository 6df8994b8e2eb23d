//! CSV as Bulk 2.0 takes and gives it: a header line, quoted where needed.

/// `columnDelimiter` by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CsvDelimiter {
    pub(super) name: &'static str,
    byte: u8,
}

pub(super) const DELIMITERS: [CsvDelimiter; 6] = [
    CsvDelimiter { name: "COMMA", byte: b',' },
    CsvDelimiter { name: "TAB", byte: b'\t' },
    CsvDelimiter { name: "SEMICOLON", byte: b';' },
    CsvDelimiter { name: "PIPE", byte: b'|' },
    CsvDelimiter { name: "CARET", byte: b'^' },
    CsvDelimiter { name: "BACKQUOTE", byte: b'`' },
];

/// A header and its rows.
#[derive(Debug, Default)]
pub(super) struct CsvSheet {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// Reads an upload; the error is the parser's, with its line.
pub(super) fn read(data: &[u8], delimiter: CsvDelimiter) -> Result<CsvSheet, String> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter.byte).from_reader(data);
    let cells = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect();
    let header = reader.headers().map(cells).map_err(|error| error.to_string())?;
    let rows = reader.records().map(|record| record.map(|record| cells(&record)));
    let rows = rows.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    Ok(CsvSheet { header, rows })
}

/// Writes a sheet with the job's delimiter and line ending.
pub(super) fn write(sheet: &CsvSheet, delimiter: CsvDelimiter, crlf: bool) -> String {
    let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter.byte)
        .terminator(terminator)
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(Vec::new());
    for row in std::iter::once(&sheet.header).chain(&sheet.rows) {
        // Writing into memory fails only for rows of unequal length, which a sheet has not.
        drop(writer.write_record(row));
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

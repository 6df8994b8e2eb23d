//! Keys of what a firm has on paper: web address, domain of its mail, corporate number.
//!
//! The name of a host alone is no key where the address goes on: many firms have their page on a
//! host of somebody else.

use unicode_normalization::UnicodeNormalization;

/// Domains of mail that anybody may have an address in, so that they name no firm.
const PUBLIC_MAIL: &[&str] = &[
    "126.com",
    "163.com",
    "aol.com",
    "au.com",
    "biglobe.ne.jp",
    "docomo.ne.jp",
    "ezweb.ne.jp",
    "fastmail.com",
    "gmail.com",
    "gmx.de",
    "gmx.net",
    "goo.jp",
    "googlemail.com",
    "hotmail.co.jp",
    "hotmail.com",
    "i.softbank.jp",
    "icloud.com",
    "live.com",
    "live.jp",
    "mac.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "naver.com",
    "nifty.com",
    "outlook.com",
    "outlook.jp",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "rakuten.jp",
    "softbank.ne.jp",
    "so-net.ne.jp",
    "t-online.de",
    "web.de",
    "yahoo.co.jp",
    "yahoo.com",
    "yahoo.ne.jp",
    "yandex.ru",
    "ybb.ne.jp",
    "ymail.ne.jp",
];

/// Files that a server shows for a folder.
const INDEX: &[&str] = &["index.html", "index.htm", "index.php", "default.aspx"];

/// A web address without scheme, `www.`, port, query and what a server adds to a folder; `None`
/// where there is no host.
pub fn address_key(text: &str) -> Option<String> {
    let text: String = text.nfkc().collect();
    let text = text.trim();
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next()?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next()?.split(':').next()?;
    let host = domain(host)?;
    let host = host.strip_prefix("www.").filter(|rest| rest.contains('.')).unwrap_or(&host);
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.last().is_some_and(|last| INDEX.contains(&last.to_lowercase().as_str())) {
        parts.pop();
    }
    Some([host].into_iter().chain(parts).collect::<Vec<_>>().join("/"))
}

/// The domain of a mail address; `None` where anybody may have one in it.
pub fn mail_domain(text: &str) -> Option<String> {
    let text: String = text.nfkc().collect();
    let domain = domain(text.trim().rsplit_once('@')?.1)?;
    (!PUBLIC_MAIL.contains(&domain.as_str())).then_some(domain)
}

/// A name of a host in small letters, if it can be one.
fn domain(host: &str) -> Option<String> {
    let host = host.trim_end_matches('.').to_lowercase();
    let fits = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    (host.contains('.') && host.split('.').all(fits)).then_some(host)
}

/// A Japanese corporate number of 13 digits, of which the first checks the others; also in the form
/// of an invoice number, `T` in front. `None` where the check fails.
pub fn corporate_number(text: &str) -> Option<String> {
    let text: String = text.nfkc().collect();
    let text = text.trim();
    let number = text.strip_prefix(['T', 't']).unwrap_or(text);
    let plain = |c: &char| !c.is_whitespace() && !crate::fold::is_hyphen(*c);
    let digits: Vec<u32> =
        number.chars().filter(plain).map(|c| c.to_digit(10)).collect::<Option<_>>()?;
    let (check, rest) = digits.split_first()?;
    let weights = [1, 2].into_iter().cycle();
    let sum: u32 = rest.iter().rev().zip(weights).map(|(digit, weight)| digit * weight).sum();
    let fits = rest.len() == 12 && *check == 9 - sum % 9;
    fits.then(|| digits.iter().map(u32::to_string).collect())
}

//! Pages that need nothing but themselves: styles, text that stays where it is put, and pictures that are part of the file.

use crate::formats::pictures::{base64, png_bytes};

const STYLE: &str = "
:root{color-scheme:light dark;--text:#1b1d21;--back:#fbfbfa;--soft:#666b73;--line:#d9dbde;--card:#fff}
@media (prefers-color-scheme:dark){:root{--text:#e6e7e9;--back:#16181b;--soft:#9aa0a8;--line:#363a40;--card:#1e2125}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1120px;padding:20px 16px 60px;font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back)}
h1{font-size:1.6em;margin:.2em 0}h2{font-size:1.25em;margin:2.2em 0 .4em}h3{font-size:1em;margin:1.4em 0 .3em}
p{max-width:75ch;margin:.4em 0}.soft{color:var(--soft)}code{font-size:.92em;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:10px;margin:16px 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 12px}
.card b{display:block;font-size:1.7em;line-height:1.25}.card span{display:block;color:var(--soft);font-size:.88em}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px;background:var(--card)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:4px 8px;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--soft);font-size:.88em}
td.name{white-space:nowrap}.number{text-align:right;white-space:nowrap}th.number{white-space:normal}
.heat{width:auto}.heat td,.heat th{min-width:3.4em;padding:2px 5px;text-align:center;font-size:.86em;border:1px solid var(--card);white-space:nowrap}
.heat th.name{min-width:12em;text-align:left;position:sticky;left:0;background:var(--card);font-weight:400;color:var(--text)}
.heat tr.group th{text-align:left;color:var(--soft);font-weight:600;padding-top:9px}
.heat td.rate{font-weight:700}.heat tr.idle td{opacity:.45}.heat tr.idle th.name{color:var(--soft);font-style:italic}.heat .apart{border-left:7px solid var(--card)}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(430px,100%),1fr));gap:14px}
.chart{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px}
.chart svg{width:100%;height:auto;display:block}.chart text{fill:var(--text);font-size:15px}
.chart .grid{stroke:var(--line);stroke-width:1}
figcaption{font-weight:600;margin-bottom:4px}
.legend{display:flex;flex-wrap:wrap;gap:3px 14px;font-size:.9em}.legend span{display:inline-flex;align-items:center;gap:5px}
.chart svg.key{width:34px;height:10px;flex:none}
.frames{display:grid;grid-template-columns:repeat(2,1fr);gap:8px 12px;margin:.4em 0 1em;max-width:1000px}
.frames.three{grid-template-columns:repeat(3,1fr);max-width:none}
@media (max-width:640px){.frames,.frames.three{grid-template-columns:1fr}}
.frames figure{margin:0}.frames img{width:100%;height:auto;image-rendering:pixelated;display:block;border:1px solid var(--line)}
.frames figcaption{font-weight:400;font-size:.86em;color:var(--soft);margin:2px 0 0}
.held{color:#2d8a57}.failed{color:#cc4b3f;font-weight:700}.unjudged{color:#a8802a}
";

/// A whole page. The title is text as it must stand in one.
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n{body}</body></html>\n"
    )
}

/// Text as it must stand in a page, in an element or in a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A picture of RGB with its caption.
pub(crate) fn picture(caption: &str, (width, height): (u16, u16), rgb: &[u8]) -> String {
    png_picture(caption, (u32::from(width), u32::from(height)), &png_bytes(u32::from(width), u32::from(height), rgb))
}

/// A picture that is a PNG already with its caption.
pub(crate) fn png_picture(caption: &str, (width, height): (u32, u32), png: &[u8]) -> String {
    let (caption, png) = (escape(caption), base64(png));
    format!(
        "<figure><img alt=\"{caption}\" width=\"{width}\" height=\"{height}\" src=\"data:image/png;base64,{png}\">\
         <figcaption>{caption}</figcaption></figure>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(escape("<b title=\"x\">'&'</b>"), "&lt;b title=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/b&gt;");
    }
}

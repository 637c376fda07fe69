//! Pieces of a page: text that stays where it is put, and pictures that are part of the file.

use crate::formats::pictures::{base64, png_bytes};

/// Text as it must stand in a page, in an element or in a quoted attribute.
pub(in crate::robustness) fn escape(text: &str) -> String {
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

/// A picture with its caption.
pub(in crate::robustness) fn picture(caption: &str, (width, height): (u16, u16), rgb: &[u8]) -> String {
    let png = base64(&png_bytes(u32::from(width), u32::from(height), rgb));
    let caption = escape(caption);
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

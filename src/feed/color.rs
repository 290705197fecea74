//! A color's name: RFC 7986 has COLOR take the names of CSS and nothing else.

/// The names of CSS Color Module Level 4 with their values; of several names for one color, one.
const NAMES: &str = "aliceblue f0f8ff antiquewhite faebd7 aqua 00ffff aquamarine 7fffd4 azure f0ffff beige f5f5dc \
    bisque ffe4c4 black 000000 blanchedalmond ffebcd blue 0000ff blueviolet 8a2be2 brown a52a2a burlywood deb887 \
    cadetblue 5f9ea0 chartreuse 7fff00 chocolate d2691e coral ff7f50 cornflowerblue 6495ed cornsilk fff8dc \
    crimson dc143c darkblue 00008b darkcyan 008b8b darkgoldenrod b8860b darkgray a9a9a9 darkgreen 006400 \
    darkkhaki bdb76b darkmagenta 8b008b darkolivegreen 556b2f darkorange ff8c00 darkorchid 9932cc darkred 8b0000 \
    darksalmon e9967a darkseagreen 8fbc8f darkslateblue 483d8b darkslategray 2f4f4f darkturquoise 00ced1 \
    darkviolet 9400d3 deeppink ff1493 deepskyblue 00bfff dimgray 696969 dodgerblue 1e90ff firebrick b22222 \
    floralwhite fffaf0 forestgreen 228b22 fuchsia ff00ff gainsboro dcdcdc ghostwhite f8f8ff gold ffd700 \
    goldenrod daa520 gray 808080 green 008000 greenyellow adff2f honeydew f0fff0 hotpink ff69b4 indianred cd5c5c \
    indigo 4b0082 ivory fffff0 khaki f0e68c lavender e6e6fa lavenderblush fff0f5 lawngreen 7cfc00 \
    lemonchiffon fffacd lightblue add8e6 lightcoral f08080 lightcyan e0ffff lightgoldenrodyellow fafad2 \
    lightgray d3d3d3 lightgreen 90ee90 lightpink ffb6c1 lightsalmon ffa07a lightseagreen 20b2aa \
    lightskyblue 87cefa lightslategray 778899 lightsteelblue b0c4de lightyellow ffffe0 lime 00ff00 \
    limegreen 32cd32 linen faf0e6 maroon 800000 mediumaquamarine 66cdaa mediumblue 0000cd mediumorchid ba55d3 \
    mediumpurple 9370db mediumseagreen 3cb371 mediumslateblue 7b68ee mediumspringgreen 00fa9a \
    mediumturquoise 48d1cc mediumvioletred c71585 midnightblue 191970 mintcream f5fffa mistyrose ffe4e1 \
    moccasin ffe4b5 navajowhite ffdead navy 000080 oldlace fdf5e6 olive 808000 olivedrab 6b8e23 orange ffa500 \
    orangered ff4500 orchid da70d6 palegoldenrod eee8aa palegreen 98fb98 paleturquoise afeeee \
    palevioletred db7093 papayawhip ffefd5 peachpuff ffdab9 peru cd853f pink ffc0cb plum dda0dd \
    powderblue b0e0e6 purple 800080 rebeccapurple 663399 red ff0000 rosybrown bc8f8f royalblue 4169e1 \
    saddlebrown 8b4513 salmon fa8072 sandybrown f4a460 seagreen 2e8b57 seashell fff5ee sienna a0522d \
    silver c0c0c0 skyblue 87ceeb slateblue 6a5acd slategray 708090 snow fffafa springgreen 00ff7f \
    steelblue 4682b4 tan d2b48c teal 008080 thistle d8bfd8 tomato ff6347 turquoise 40e0d0 violet ee82ee \
    wheat f5deb3 white ffffff whitesmoke f5f5f5 yellow ffff00 yellowgreen 9acd32";

/// The name nearest to a color as clients write it: `#RRGGBB`, `#RRGGBBAA`, or a name already.
pub(super) fn css_name(color: &str) -> Option<&'static str> {
    let wanted = color.trim();
    let Some((r, g, b)) = rgb(wanted) else {
        return names().map(|(name, _)| name).find(|name| name.eq_ignore_ascii_case(wanted));
    };
    let square = |a: u8, b: u8| i32::from(a.abs_diff(b)).pow(2);
    names().min_by_key(|(_, (nr, ng, nb))| square(r, *nr) + square(g, *ng) + square(b, *nb)).map(|(name, _)| name)
}

/// `#RRGGBB` of a color that is written so, without its transparency.
pub(super) fn hex_rgb(color: &str) -> Option<String> {
    rgb(color.trim()).map(|(r, g, b)| format!("#{r:02X}{g:02X}{b:02X}"))
}

fn names() -> impl Iterator<Item = (&'static str, (u8, u8, u8))> {
    let mut words = NAMES.split_ascii_whitespace();
    std::iter::from_fn(move || Some((words.next()?, bytes(words.next()?)?)))
}

fn rgb(text: &str) -> Option<(u8, u8, u8)> {
    let digits = text.strip_prefix('#').filter(|digits| matches!(digits.len(), 6 | 8))?;
    bytes(digits)
}

fn bytes(digits: &str) -> Option<(u8, u8, u8)> {
    let decoded = hex::decode(digits).ok()?;
    Some((*decoded.first()?, *decoded.get(1)?, *decoded.get(2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_color_has_the_name_it_is_nearest_to() {
        for (color, name, hex) in [
            ("#FD8208FF", Some("darkorange"), Some("#FD8208")),
            ("#ff0000", Some("red"), Some("#FF0000")),
            (" #0000fe ", Some("blue"), Some("#0000FE")),
            ("RebeccaPurple", Some("rebeccapurple"), None),
            ("#12345", None, None),
            ("#ggggggg", None, None),
            ("#éé0", None, None),
            ("red;X-INJECT:1", None, None),
            ("", None, None),
        ] {
            assert_eq!((css_name(color), hex_rgb(color).as_deref()), (name, hex), "{color:?}");
        }
    }

    #[test]
    fn every_name_is_its_own_nearest() {
        assert_eq!(names().count(), 139);
        for (name, (r, g, b)) in names() {
            assert_eq!(css_name(&format!("#{r:02x}{g:02x}{b:02x}")), Some(name));
        }
    }
}

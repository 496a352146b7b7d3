//! What pictures cost, by the model that looks at them and by what their own headers say.
#![cfg(feature = "tiktoken")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate::estimate;

/// What a chat call pays for one picture.
fn seen(model: &str, picture: Value) -> u64 {
    let part = json!({ "type": "image_url", "image_url": picture });
    let body = json!({ "model": model, "messages": [{ "role": "user", "content": [part] }] });
    estimate::request(&body).unwrap().parts().images
}

fn url(media: &str, bytes: &[u8]) -> String {
    format!("data:{media};base64,{}", STANDARD.encode(bytes))
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend(*b"\x08\x06\0\0\0");
    bytes
}

fn gif(width: u16, height: u16) -> Vec<u8> {
    [b"GIF89a".as_slice(), &width.to_le_bytes(), &height.to_le_bytes(), b"\xf7\0\0"].concat()
}

/// A JPEG with `segments` of metadata of 64 kB each before it says how large it is.
fn jpeg(width: u16, height: u16, segments: usize) -> Vec<u8> {
    let metadata = [b"\xff\xe1\xff\xff".as_slice(), &[0x42; 0xfffd]].concat();
    let frame =
        [b"\xff\xc0\0\x11\x08".as_slice(), &height.to_be_bytes(), &width.to_be_bytes(), b"\x03\x01\x22"]
            .concat();
    [b"\xff\xd8".as_slice(), &metadata.repeat(segments), &frame].concat()
}

fn webp(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    [b"RIFF\x64\0\0\0WEBP".as_slice(), kind, b"\x58\0\0\0", payload].concat()
}

fn webp_lossy(width: u16, height: u16) -> Vec<u8> {
    webp(b"VP8 ", &[b"\0\0\0\x9d\x01\x2a".as_slice(), &width.to_le_bytes(), &height.to_le_bytes()].concat())
}

fn webp_lossless(width: u32, height: u32) -> Vec<u8> {
    webp(b"VP8L", &[b"\x2f".as_slice(), &((width - 1) | (height - 1) << 14).to_le_bytes()].concat())
}

fn webp_extended(width: u32, height: u32) -> Vec<u8> {
    let side = |pixels: u32| (pixels - 1).to_le_bytes()[..3].to_vec();
    webp(b"VP8X", &[b"\x10\0\0\0".to_vec(), side(width), side(height)].concat())
}

fn sized(model: &str, width: u32, height: u32, detail: &str) -> u64 {
    seen(model, json!({ "url": url("image/png", &png(width, height)), "detail": detail }))
}

/// The examples of OpenAI's guide ("Images and vision", "Calculating costs").
#[test]
fn models_of_tiles_cost_what_the_documentation_says() {
    assert_eq!(sized("gpt-4o", 1024, 1024, "high"), 765);
    assert_eq!(sized("gpt-4o", 2048, 4096, "high"), 1105);
    assert_eq!(sized("gpt-4o", 4096, 8192, "low"), 85);
    assert_eq!(sized("gpt-4o", 512, 512, "high"), 255);
    assert_eq!(sized("gpt-4o", 513, 1, "high"), 85 + 2 * 170);
    for (model, base, tile) in [
        ("gpt-4o-mini-2024-07-18", 2833, 5667),
        ("gpt-4.1", 85, 170),
        ("gpt-4-turbo", 85, 170),
        ("gpt-4.5-preview", 85, 170),
        ("gpt-5", 70, 140),
        ("openai/gpt-5-chat-latest", 70, 140),
        ("gpt-5.1-2025-11-13", 70, 140),
        ("o1-pro", 75, 150),
        ("o3", 75, 150),
        ("computer-use-preview", 65, 129),
        ("acme/llm-1", 85, 170),
    ] {
        assert_eq!(sized(model, 1024, 1024, "high"), base + 4 * tile, "{model}");
        assert_eq!(sized(model, 1024, 1024, "auto"), base + 4 * tile, "{model}");
        assert_eq!(sized(model, 1024, 1024, "low"), base, "{model}");
    }
}

/// The examples of the same page: 1024 x 1024 are 1,024 patches, 1800 x 2400 are 1,452 of 1,536.
#[test]
fn models_of_patches_cost_what_the_documentation_says() {
    for (model, percent) in [
        ("gpt-4.1-mini", 162),
        ("gpt-4.1-nano-2025-04-14", 246),
        ("gpt-5-mini", 162),
        ("gpt-5-nano", 246),
        ("gpt-5.4-mini", 162),
        ("gpt-5.4-nano", 246),
        ("o4-mini", 172),
        ("gpt-5.2", 120),
        ("gpt-5.3-codex", 120),
    ] {
        let tokens = |patches: u64| (patches * percent).div_ceil(100);
        assert_eq!(sized(model, 1024, 1024, "high"), tokens(1024), "{model}");
        assert_eq!(sized(model, 1800, 2400, "high"), tokens(1452), "{model}");
        assert_eq!(sized(model, 1, 1, "high"), tokens(1), "{model}");
    }
}

/// 3840 x 2160 are 120 x 68 patches; within 512 x 512 they are 16 x 9, within 2048 x 2048 64 x 36.
#[test]
fn the_newest_models_look_as_closely_as_they_are_asked_to() {
    for (model, auto) in [("gpt-5.4", 2_765), ("gpt-5.5", 9_792)] {
        for (detail, tokens) in [("low", 173), ("high", 2_765), ("original", 9_792), ("auto", auto)] {
            assert_eq!(sized(model, 3840, 2160, detail), tokens, "{model} {detail}");
        }
    }
    // 1600 x 1600 is the largest square that is not shrunk.
    assert_eq!(sized("gpt-5.4", 1600, 1600, "high"), 3_000);
    for model in ["gpt-5.6-sol", "gpt-6-astra"] {
        for (width, height, detail, tokens) in [
            (640, 480, "high", 360),
            (640, 480, "low", 231),
            (3200, 960, "high", 2_916),
            (2560, 1440, "high", 2_931),
            (3200, 960, "original", 3_600),
            (6400, 1440, "auto", 10_800),
            (60_000, 60_000, "original", 35_915),
        ] {
            assert_eq!(sized(model, width, height, detail), tokens, "{model} {width}x{height} {detail}");
        }
    }
}

/// The table of platform.claude.com/docs/en/build-with-claude/vision, "Resolution and token cost".
#[test]
fn claude_costs_what_the_documentation_says() {
    for (width, height, standard, high) in [
        (200, 200, 64, 64),
        (1000, 1000, 1296, 1296),
        (1092, 1092, 1521, 1521),
        (1920, 1080, 1560, 2691),
        (2000, 1500, 1564, 3888),
        (3840, 2160, 1560, 4784),
    ] {
        for model in
            ["claude-3-5-sonnet-20241022", "claude-opus-4-6", "anthropic.claude-sonnet-4-20250514-v1:0"]
        {
            assert_eq!(sized(model, width, height, "auto"), standard, "{model} {width}x{height}");
        }
        for model in ["claude-opus-4-7", "anthropic/claude-opus-4.8", "claude-sonnet-5", "claude-fable-5-1"] {
            assert_eq!(sized(model, width, height, "auto"), high, "{model} {width}x{height}");
        }
    }
}

#[test]
fn gemini_costs_258_for_every_tile() {
    assert_eq!(sized("gemini-2.5-pro", 384, 384, "auto"), 258);
    assert_eq!(sized("google/gemini-2.0-flash", 1536, 768, "auto"), 2 * 258);
    assert_eq!(sized("gemini-2.0-flash", 60_000, 60_000, "auto"), 16 * 258);
    assert_eq!(sized("gemini-3-pro", 1536, 768, "auto"), 1_120);
}

/// Recorded calls (read November 2026): a picture of six tiles and 13 tokens of text, 1,118 tokens
/// (DataDog/dd-trace-py `chat_completion_image_input.yaml`); a JPEG of 597 x 566 and 14 of text, 779
/// (pydantic/pydantic-ai `test_image_as_binary_content_input.yaml`).
#[test]
fn recorded_calls_cost_what_the_api_counted() {
    let picture = url("image/jpeg", &jpeg(2560, 1669, 0));
    let body = json!({ "model": "gpt-4-vision-preview", "messages": [{ "role": "user", "content": [
        { "type": "text", "text": "What’s in this image?" },
        { "type": "image_url", "image_url": picture },
    ] }] });
    assert_eq!(estimate::request(&body).unwrap().cost().input_tokens(), 1118);
    let body = json!({ "model": "gpt-4o", "input": [{ "role": "user", "content": [
        { "type": "input_text", "text": "What fruit is in the image?" },
        { "type": "input_image", "detail": "auto", "image_url": url("image/jpeg", &jpeg(597, 566, 0)) },
    ] }] });
    assert_eq!(estimate::request(&body).unwrap().cost().input_tokens(), 779);
}

#[test]
fn every_format_says_how_large_it_is() {
    let six_tiles = 85 + 6 * 170;
    for (name, bytes) in [
        ("png", png(1500, 700)),
        ("gif", gif(1500, 700)),
        ("jpeg", jpeg(1500, 700, 0)),
        ("jpeg with long metadata", jpeg(1500, 700, 9)),
        ("webp, lossy", webp_lossy(1500, 700)),
        ("webp, lossless", webp_lossless(1500, 700)),
        ("webp, extended", webp_extended(1500, 700)),
    ] {
        let url = url("image/any", &bytes);
        assert_eq!(seen("gpt-4o", json!({ "url": url })), six_tiles, "{name}");
        assert_eq!(seen("gpt-4o", json!(url)), six_tiles, "{name}");
        let long = format!("{url}{}", "A".repeat(1_000_000));
        assert_eq!(seen("gpt-4o", json!(long.replace('=', ""))), six_tiles, "{name}, and all of the picture");
    }
    let lines = STANDARD
        .encode(jpeg(1500, 700, 1))
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line) + "\r\n")
        .collect::<String>();
    assert_eq!(seen("gpt-4o", json!(format!("data:image/jpeg;base64,{lines}"))), six_tiles);
}

#[test]
fn a_picture_costs_the_same_in_every_api() {
    let data = STANDARD.encode(png(1500, 700));
    let images = |body: Value| estimate::request(&body).unwrap().parts().images;
    let part =
        json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": data } });
    let claude = json!({ "model": "claude-opus-4-7", "messages": [{ "role": "user", "content": [part] }] });
    assert_eq!(images(claude), 54 * 25);
    let part = json!({ "type": "input_image", "image_url": format!("data:image/png;base64,{data}"), "detail": "low" });
    assert_eq!(images(json!({ "model": "gpt-4o", "input": [{ "role": "user", "content": [part] }] })), 85);
    let part = json!({ "inlineData": { "mimeType": "image/png", "data": data } });
    assert_eq!(images(json!({ "model": "gemini-2.5-pro", "contents": [{ "parts": [part] }] })), 2 * 258);
}

#[test]
fn a_picture_of_unknown_size_costs_as_much_as_one_of_1024_pixels_square() {
    let broken = [
        "https://example.com/cat.png".to_owned(),
        String::new(),
        "data:".to_owned(),
        "data:image/png;base64,".to_owned(),
        "data:image/png;base64,%%%%".to_owned(),
        "data:image/png,raw".to_owned(),
        "data:image/png;base64,ÄÖÜÄÖÜÄÖÜÄÖÜ".to_owned(),
        format!("data:{};base64,AAAA", "x".repeat(999)),
        url("image/svg+xml", b"<svg width='9' height='9'/>"),
        url("image/png", &png(0, 9)),
        url("image/jpeg", &jpeg(9, 0, 0)),
        url("image/jpeg", &jpeg(9, 9, 99)),
        url("image/jpeg", b"\xff\xd8\xff\xe1\0\0\xff\xe1\0\0"),
        url("image/jpeg", &b"\xff\xd8\xff\xe0\0\x02".repeat(1_000)),
    ];
    for picture in broken {
        assert_eq!(seen("gpt-4o", json!(picture)), 765, "{picture:.60}");
    }
    for picture in [json!(null), json!(5), json!([]), json!({}), json!({ "url": 5, "detail": 5 })] {
        assert_eq!(seen("gpt-4o", picture.clone()), 765, "{picture}");
    }
    assert_eq!(seen("gpt-4.1-mini", json!("https://example.com/cat.png")), 1_659);
    assert_eq!(seen("claude-opus-4-7", json!("https://example.com/cat.png")), 1_369);
}

#[test]
fn a_header_that_is_cut_off_is_no_size() {
    for bytes in
        [png(1500, 700), gif(1500, 700), jpeg(1500, 700, 1), webp_lossy(1500, 700), webp_extended(1500, 700)]
    {
        for length in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
            let tokens = seen("gpt-4o", json!(url("image/any", &bytes[..length])));
            assert!([765, 1105].contains(&tokens), "{tokens} for {length} bytes");
        }
    }
}

#[test]
fn a_size_that_the_request_says_is_believed_where_the_picture_does_not_say() {
    let said = json!({ "url": "https://example.com/a.png", "width": 1500, "height": 700 });
    assert_eq!(seen("gpt-4o", said), 1105);
    let both = json!({ "url": url("image/png", &png(512, 512)), "width": 1500, "height": 700 });
    assert_eq!(seen("gpt-4o", both), 255);
    for half in [json!({ "url": "a", "width": 1500 }), json!({ "url": "a", "width": -1, "height": 0 })] {
        assert_eq!(seen("gpt-4o", half), 765);
    }
}

#[test]
fn absurd_sizes_neither_panic_nor_cost_more_than_the_largest_picture() {
    for (width, height) in [(u32::MAX, u32::MAX), (u32::MAX, 1), (1, u32::MAX), (1, 1), (65_535, 65_535)] {
        for (model, most) in [
            ("gpt-4o", 85 + 170 * 8),
            ("gpt-5-nano", 3_779),
            ("gpt-5.4", 12_000),
            ("gpt-6-astra", 36_000),
            ("claude-opus-4-7", 4_784),
            ("claude-3-haiku", 1_568),
            ("gemini-2.5-pro", 16 * 258),
        ] {
            for detail in ["low", "high", "original", "auto"] {
                let tokens = sized(model, width, height, detail);
                assert!((1..=most).contains(&tokens), "{model}: {tokens} for {width}x{height}, {detail}");
            }
        }
    }
    let said = json!({ "url": "a", "width": u64::MAX, "height": u64::MAX });
    assert_eq!(seen("gpt-4o", said), 765);
}

#[test]
fn a_picture_that_never_says_its_size_is_given_up_on() {
    let segments = b"\xff\xe0\0\x02\xff\xe0\0\x02\xff\xe0\0\x02";
    let endless = [b"\xff\xd8".to_vec(), segments.repeat(1_000_000), jpeg(9, 9, 0)].concat();
    assert_eq!(seen("gpt-4o", json!(url("image/jpeg", &endless))), 765);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_of_a_picture_panic(
        start in prop::sample::select(vec![&b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8X", b"II*\0", b"BM", b""]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
        model in "gpt-4o|gpt-5-mini|gpt-6-astra|claude-opus-4-7|gemini-2.5-pro",
    ) {
        let tokens = seen(&model, json!(url("image/any", &[start, &rest].concat())));
        prop_assert!((1..=48_169).contains(&tokens), "{}", tokens);
    }

    #[test]
    fn no_url_panics(picture in "(data:)?[a-z/;]{0,12}(;base64)?,?[A-Za-z0-9+/= \\n%ä]{0,99}|\\PC{0,40}") {
        prop_assert!(seen("gpt-4o", json!(picture)) >= 85);
    }

    #[test]
    fn a_larger_picture_never_costs_less_where_it_is_not_shrunk(width in 1u32..1024, height in 1u32..1024, more in 0u32..64) {
        for model in ["gpt-4o", "gpt-5.4", "claude-opus-4-7", "gemini-2.5-pro"] {
            let (small, large) = (sized(model, width.min(700), height.min(700), "high"), sized(model, width.min(700) + more, height.min(700), "high"));
            prop_assert!(small <= large, "{}: {} and {}", model, small, large);
        }
    }
}

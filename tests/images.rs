//! Files of every kind a user may have → squares, or an error that names the file.

use alexnet::Error;
use alexnet::data::{Exif, Square, load};
use image::{DynamicImage, GrayAlphaImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Loads bytes as a file would be.
fn load_bytes(bytes: &[u8], size: usize, exif: Exif) -> Result<Square, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    fs::write(&path, bytes).unwrap();
    load(&path, size, exif)
}

fn pixel(square: &Square, x: usize, y: usize) -> [u8; 3] {
    square.rgb[3 * (y * square.size + x)..][..3].try_into().unwrap()
}

fn assert_near(found: [u8; 3], wanted: [u8; 3], by: u8) {
    assert!((0..3).all(|c| found[c].abs_diff(wanted[c]) <= by), "{found:?}, not {wanted:?}");
}

/// Different everywhere.
fn pattern(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, (3 * x + 7 * y) as u8]))
}

/// A JPEG with an EXIF block that holds only an orientation.
fn turned_jpeg(image: &RgbImage, orientation: u8) -> Vec<u8> {
    let jpeg = encoded(image.clone(), ImageFormat::Jpeg);
    let mut exif = b"\xFF\xE1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

#[test]
fn centre_square_of_the_right_size_is_copied() {
    for (width, height, left, top) in [(12, 8, 2, 0), (8, 13, 0, 2), (8, 8, 0, 0), (11, 8, 1, 0)] {
        let image = pattern(width, height);
        let square = load_bytes(&encoded(image.clone(), ImageFormat::Png), 8, Exif::Apply).unwrap();
        let wanted = image::imageops::crop_imm(&image, left, top, 8, 8).to_image();
        assert_eq!(square, Square { size: 8, rgb: wanted.into_raw() }, "{width}×{height}");
    }
}

#[test]
fn reduction_averages() {
    // A checkerboard of single pixels must become grey, not a pattern of its own.
    let image = RgbImage::from_fn(120, 80, |x, y| Rgb([255 * ((x + y) % 2) as u8; 3]));
    let square = load_bytes(&encoded(image, ImageFormat::Png), 16, Exif::Apply).unwrap();
    assert!(square.rgb.iter().all(|v| v.abs_diff(127) <= 3), "{:?}", square.rgb);
}

#[test]
fn colours_become_rgb() {
    let png = |image: DynamicImage| load_bytes(&encoded(image, ImageFormat::Png), 4, Exif::Apply).unwrap();
    let grey = ImageBuffer::from_pixel(4, 4, Luma([77u8]));
    assert_eq!(pixel(&png(grey.clone().into()), 1, 2), [77; 3]);
    let jpeg = load_bytes(&encoded(grey, ImageFormat::Jpeg), 4, Exif::Apply).unwrap();
    assert_near(pixel(&jpeg, 1, 2), [77; 3], 1);
    let deep: ImageBuffer<Rgb<u16>, _> = ImageBuffer::from_pixel(4, 4, Rgb([0, 32896, 65535]));
    assert_eq!(pixel(&png(deep.into()), 0, 0), [0, 128, 255]);
    let deep_grey: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_pixel(4, 4, Luma([771]));
    assert_eq!(pixel(&png(deep_grey.into()), 0, 0), [3; 3]);
    let alpha = RgbaImage::from_pixel(4, 4, Rgba([10, 20, 30, 40]));
    assert_eq!(pixel(&png(alpha.into()), 3, 3), [10, 20, 30]);
    let grey_alpha = GrayAlphaImage::from_pixel(4, 4, LumaA([9, 0]));
    assert_eq!(pixel(&png(grey_alpha.into()), 3, 3), [9; 3]);
}

/// One picture made with Pillow, a gradient and in the first two black ink over it; the colours are Pillow's.
#[test]
fn cmyk_and_progressive() {
    let cases = [
        ("cmyk.jpg", [[30, 28, 84], [87, 94, 70], [118, 134, 58]]),
        ("ycck.jpg", [[32, 28, 85], [89, 94, 72], [119, 134, 59]]),
        ("progressive.jpg", [[31, 30, 88], [111, 120, 91], [185, 210, 90]]),
    ];
    for (name, wanted) in cases {
        let square = load(&fixture(name), 40, Exif::Apply).unwrap();
        // 56×40: the centre square begins at 8.
        for ((x, y), wanted) in [(0, 5), (20, 20), (38, 35)].into_iter().zip(wanted) {
            assert_near(pixel(&square, x, y), wanted, 4);
        }
    }
}

/// Every pixel of what Pillow makes of them: `Image.open("cmyk.jpg").convert("RGB").save("cmyk.png")`.
#[test]
fn cmyk_and_ycck_are_pillows_within_two_levels() {
    for name in ["cmyk", "ycck"] {
        let [ours, pillows] = ["jpg", "png"].map(|e| load(&fixture(&format!("{name}.{e}")), 40, Exif::Apply).unwrap());
        let most = ours.rgb.iter().zip(&pillows.rgb).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(most <= Some(2), "{name}: {most:?}");
    }
}

/// ILSVRC's oddities: a PNG named JPEG (n02105855_2933.JPEG), and EXIF blocks that cannot be read.
#[test]
fn oddities_of_ilsvrc() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n02105855_2933.JPEG");
    fs::write(&path, encoded(pattern(8, 8), ImageFormat::Png)).unwrap();
    assert_eq!(load(&path, 8, Exif::Apply).unwrap().rgb, pattern(8, 8).into_raw());
    let plain = encoded(pattern(32, 32), ImageFormat::Jpeg);
    let wanted = load_bytes(&plain, 32, Exif::Apply).unwrap();
    for block in [&b"Exif\0\0"[..], b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nothing of the kind", b"other"] {
        let length = (block.len() as u16 + 2).to_be_bytes();
        let jpeg = [&plain[..2], &[0xFF, 0xE1], &length, block, &plain[2..]].concat();
        assert_eq!(load_bytes(&jpeg, 32, Exif::Apply).unwrap(), wanted);
    }
}

/// Where the stored quarters, all different, are seen under each orientation of the EXIF standard: left to right, then
/// below. 1 to 4 are the image, mirrored, turned by 180° and mirrored upside down; 5 to 8 are transpositions of these.
#[test]
fn exif_orientation() {
    const QUARTERS: [[u8; 3]; 4] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3]];
    let image = RgbImage::from_fn(32, 32, |x, y| Rgb(QUARTERS[(y / 16 * 2 + x / 16) as usize]));
    let assert_seen = |orientation, exif, wanted: [usize; 4]| {
        let square = load_bytes(&turned_jpeg(&image, orientation), 32, exif).unwrap();
        for ((x, y), quarter) in [(8, 8), (24, 8), (8, 24), (24, 24)].into_iter().zip(wanted) {
            assert_near(pixel(&square, x, y), QUARTERS[quarter], 20);
        }
    };
    let wanted = [
        [0, 1, 2, 3],
        [1, 0, 3, 2],
        [3, 2, 1, 0],
        [2, 3, 0, 1],
        [0, 2, 1, 3],
        [2, 0, 3, 1],
        [3, 1, 2, 0],
        [1, 3, 0, 2],
    ];
    for (orientation, wanted) in (1..=8).zip(wanted) {
        assert_seen(orientation, Exif::Apply, wanted);
        assert_seen(orientation, Exif::Ignore, [0, 1, 2, 3]);
    }
    // What no camera writes leaves the image as it is.
    assert_seen(77, Exif::Apply, [0, 1, 2, 3]);
}

/// Turned by a quarter, the longer side is another one: the centre is cut from what is seen.
#[test]
fn exif_before_the_centre() {
    let image = RgbImage::from_fn(64, 32, |x, _| Rgb([if x < 32 { 255 } else { 0 }; 3]));
    let square = load_bytes(&turned_jpeg(&image, 6), 32, Exif::Apply).unwrap();
    assert!(pixel(&square, 16, 4)[0] > 200 && pixel(&square, 16, 28)[0] < 50, "left is up");
}

#[test]
fn smallest_and_narrowest() {
    let one = load_bytes(&encoded(pattern(1, 1), ImageFormat::Png), 6, Exif::Apply).unwrap();
    assert_eq!(one.rgb, vec![0; 108]);
    let jpeg = load_bytes(&encoded(RgbImage::from_pixel(1, 1, Rgb([200; 3])), ImageFormat::Jpeg), 6, Exif::Apply);
    assert_near(pixel(&jpeg.unwrap(), 5, 5), [200; 3], 2);
    // Enlarged as a whole and then cut: three quarters of the middle row, a quarter of its black neighbour.
    let narrow = RgbImage::from_fn(1, 3001, |_, y| Rgb([if y == 1500 { 90 } else { 0 }; 3]));
    assert_eq!(load_bytes(&encoded(narrow, ImageFormat::Png), 2, Exif::Apply).unwrap().rgb, vec![68; 12]);
}

#[test]
fn names_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("really a png.JPEG");
    fs::write(&path, encoded(pattern(5, 5), ImageFormat::Png)).unwrap();
    assert_eq!(load(&path, 5, Exif::Apply).unwrap().rgb, pattern(5, 5).into_raw());
}

#[test]
fn unreadable_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = encoded(pattern(64, 48), ImageFormat::Jpeg);
    let png = encoded(pattern(64, 48), ImageFormat::Png);
    let thumbnail = [&jpeg[..2], b"\xFF\xE1\0\x08", b"\xFF\xDA..\xFF\xD9", &jpeg[2..jpeg.len() / 2]].concat();
    let cases: [(&str, &[u8], &str); 8] = [
        ("empty.jpg", b"", "empty"),
        ("text.jpg", b"this is not an image", "not a JPEG or PNG"),
        ("animation.gif", b"GIF89a\x01\0\x01\0\0\0\0", "not a JPEG or PNG"),
        ("half.jpg", &jpeg[..jpeg.len() / 2], "truncated"),
        ("endless.jpg", &jpeg[..jpeg.len() - 2], "truncated"),
        ("thumbnail.jpg", &thumbnail, "truncated"),
        ("half.png", &png[..png.len() / 2], "truncated"),
        ("header.png", &png[..20], "truncated"),
    ];
    for (name, bytes, why) in cases {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = load(&path, 8, Exif::Apply).unwrap_err();
        assert!(matches!(error, Error::Image { .. }));
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(why), "{text}");
    }
    let missing = load(&folder.path().join("missing.jpg"), 8, Exif::Apply).unwrap_err().to_string();
    assert!(missing.contains("missing.jpg") && missing.contains("cannot be read"), "{missing}");
    let not_a_file = load(folder.path(), 8, Exif::Apply).unwrap_err().to_string();
    assert!(not_a_file.contains("cannot be read"), "{not_a_file}");
}

/// However long the part that was copied, it is an error and not half an image.
#[test]
fn truncated_files_are_refused_wherever_they_end() {
    let png = encoded(pattern(40, 30), ImageFormat::Png);
    // Past its data a PNG has only an empty chunk that says so.
    let data_end = png.len() - 12;
    let files = [
        (encoded(pattern(40, 30), ImageFormat::Jpeg), usize::MAX),
        (fs::read(fixture("progressive.jpg")).unwrap(), usize::MAX),
        (fs::read(fixture("ycck.jpg")).unwrap(), usize::MAX),
        (png, data_end),
    ];
    for (number, (file, needed)) in files.iter().enumerate() {
        assert!(load_bytes(file, 8, Exif::Apply).is_ok());
        for len in 1..file.len().min(*needed) {
            assert!(load_bytes(&file[..len], 8, Exif::Apply).is_err(), "file {number}, {len} bytes");
        }
    }
}

/// Telephones append films to photographs: what follows the end of the image is not looked at.
#[test]
fn what_follows_an_image_does_not_matter() {
    let jpeg = encoded(pattern(40, 30), ImageFormat::Jpeg);
    let whole = load_bytes(&jpeg, 8, Exif::Apply).unwrap();
    let film = [&jpeg[..], b"a film with \xFF\xDA in it"].concat();
    assert_eq!(load_bytes(&film, 8, Exif::Apply).unwrap(), whole);
}

/// Whatever is in a file, loading it answers and does not panic.
#[test]
fn damaged_bytes_never_panic() {
    let progressive = fs::read(fixture("progressive.jpg")).unwrap();
    let cmyk = fs::read(fixture("cmyk.jpg")).unwrap();
    let turned = turned_jpeg(&pattern(40, 30), 6);
    let files = [progressive, cmyk, turned, encoded(pattern(40, 30), ImageFormat::Png)];
    let mut readable = 0;
    for (number, file) in files.iter().enumerate() {
        for round in 0..400u32 {
            let draw = |word: u32| alexnet::random::hash(&[number as u32, round, word]) as usize;
            let mut bytes = file.clone();
            for change in 0..=draw(0) as u32 % 6 {
                let place = draw(2 * change + 1) % bytes.len();
                bytes[place] = draw(2 * change + 2) as u8;
            }
            if draw(99) % 4 == 0 {
                bytes.truncate(draw(98) % bytes.len());
            }
            readable += usize::from(load_bytes(&bytes, 8, Exif::Apply).is_ok());
        }
    }
    assert!(
        (1..1600).contains(&readable),
        "{readable} of 1600 were readable: changes neither all harmless nor all fatal"
    );
}

//! From a file that claims to be a picture to a thumbnail.

use std::io::Cursor;

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits};
use shared::batch::Reject;

/// Pixels of a thumbnail's side.
const SIDE: u32 = 100;
/// A few bytes can claim to be any number of pixels. No screen is wider than this.
const SIDE_MAX: u32 = 5120;
/// 16 million pixels with eight bits a channel.
const DECODED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A PNG of the picture's middle.
pub(super) fn thumbnail(picture: &[u8], content_type: &str) -> Result<Vec<u8>, Reject> {
    let format = ImageFormat::from_mime_type(content_type)
        .ok_or_else(|| broken(format!("{content_type} is no picture")))?;
    if format == ImageFormat::Jpeg && !has_an_end(picture) {
        return Err(broken("the JPEG has no end"));
    }
    shrink(picture, format).map_err(|error| match error {
        ImageError::Limits(_) => {
            Reject::new("picture-too-large", error.to_string()).standing_alone()
        }
        _ => broken(error.to_string()),
    })
}

/// The next picture of the same person needs nothing of this one.
fn broken(why: impl Into<String>) -> Reject {
    Reject::new("picture-broken", why).standing_alone()
}

fn shrink(picture: &[u8], format: ImageFormat) -> Result<Vec<u8>, ImageError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODED_BYTES_MAX);
    let mut reader = ImageReader::with_format(Cursor::new(picture), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    let image = DynamicImage::from_decoder(decoder)?;

    // Cut before it is scaled: a strip of 1 × 5120 would be blown up to 100 × 512,000 first.
    let side = image.width().min(image.height());
    let (left, top) = ((image.width() - side) / 2, (image.height() - side) / 2);
    let mut thumbnail =
        image
            .crop_imm(left, top, side, side)
            .resize_exact(SIDE, SIDE, FilterType::Triangle);
    thumbnail.apply_orientation(orientation);

    let mut png = Cursor::new(Vec::new());
    thumbnail.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}

/// The decoder paints grey what is missing of a JPEG that was cut off.
fn has_an_end(jpeg: &[u8]) -> bool {
    const SCAN: [u8; 2] = [0xff, 0xda];
    const END: [u8; 2] = [0xff, 0xd9];
    let last_scan = jpeg.windows(2).rposition(|marker| marker == SCAN);
    last_scan.is_some_and(|scan| jpeg[scan..].windows(2).any(|marker| marker == END))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::codecs::jpeg::JpegEncoder;
    use image::{DynamicImage, ImageBuffer, ImageEncoder as _, ImageFormat, Luma, Rgb, Rgba};

    use super::{DECODED_BYTES_MAX, SIDE, SIDE_MAX, thumbnail};

    const RED: Rgb<u8> = Rgb([255, 0, 0]);
    const BLUE: Rgb<u8> = Rgb([0, 0, 255]);

    fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        image
            .into()
            .write_to(&mut file, format)
            .expect("it encodes");
        file.into_inner()
    }

    /// Something to see everywhere, so that no part of the file says nothing.
    fn pattern(width: u32, height: u32) -> ImageBuffer<Rgb<u8>, Vec<u8>> {
        ImageBuffer::from_fn(width, height, |x, y| {
            let hash = (x * 31 + y * 17) ^ (x * y);
            Rgb(std::array::from_fn(|channel| hash.to_le_bytes()[channel]))
        })
    }

    #[track_caller]
    fn check(image: impl Into<DynamicImage>, format: ImageFormat) {
        let picture = encode(image, format);
        let png = thumbnail(&picture, format.to_mime_type()).expect("a thumbnail");
        let thumbnail = image::load_from_memory_with_format(&png, ImageFormat::Png);
        let thumbnail = thumbnail.expect("a PNG");
        assert_eq!((thumbnail.width(), thumbnail.height()), (SIDE, SIDE));
    }

    #[track_caller]
    fn check_refused(picture: &[u8], content_type: &str, code: &str) {
        let refused = thumbnail(picture, content_type).map(|png| png.len());
        assert_eq!(refused.map_err(|reject| reject.code), Err(code));
    }

    #[test]
    fn pictures_of_every_shape_and_colour_become_small_and_square() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            check(pattern(640, 480), format);
            check(pattern(480, 640), format);
            check(pattern(100, 100), format);
            check(pattern(7, 3), format);
            check(pattern(1, 1), format);
            check(pattern(1, SIDE_MAX), format);
            check(ImageBuffer::from_pixel(64, 64, Luma([7_u8])), format);
        }
        check(
            ImageBuffer::from_pixel(64, 64, Rgba([1_u8, 2, 3, 4])),
            ImageFormat::Png,
        );
        check(
            ImageBuffer::from_pixel(64, 64, Rgb([1_u16, 2, 3])),
            ImageFormat::Png,
        );
    }

    #[test]
    fn the_middle_is_shown() {
        let sides = ImageBuffer::from_fn(300, 100, |x, _| match x {
            100..200 => BLUE,
            _ => RED,
        });
        let png = thumbnail(&encode(sides, ImageFormat::Png), "image/png").expect("a thumbnail");
        let thumbnail = image::load_from_memory(&png).expect("a PNG").into_rgb8();
        assert!(thumbnail.pixels().all(|pixel| *pixel == BLUE));
    }

    #[test]
    fn a_photograph_taken_sideways_stands_upright() {
        let left_is_red = ImageBuffer::from_fn(80, 80, |x, _| if x < 40 { RED } else { BLUE });
        let mut picture = Vec::new();
        let mut encoder = JpegEncoder::new(&mut picture);
        // One entry: the orientation is 6, a quarter turn to the right.
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        encoder
            .set_exif_metadata(exif.to_vec())
            .expect("JPEG has it");
        encoder.encode_image(&left_is_red).expect("it encodes");

        let png = thumbnail(&picture, "image/jpeg").expect("a thumbnail");

        let thumbnail = image::load_from_memory(&png).expect("a PNG").into_rgb8();
        let [red, _, blue] = thumbnail.get_pixel(90, 10).0;
        assert!(red > 200 && blue < 50, "the left is at the top now");
        let [red, _, blue] = thumbnail.get_pixel(10, 90).0;
        assert!(red < 50 && blue > 200, "the right is at the bottom now");
    }

    #[test]
    fn a_picture_that_was_cut_off_is_broken() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let picture = encode(pattern(64, 64), format);
            for tenths in 0..10 {
                let cut_off = &picture[..picture.len() * tenths / 10];
                check_refused(cut_off, format.to_mime_type(), "picture-broken");
            }
        }
    }

    #[test]
    fn a_file_that_only_begins_like_a_picture_is_broken() {
        let mut damaged = encode(pattern(64, 64), ImageFormat::Png);
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0xff;
        check_refused(&damaged, "image/png", "picture-broken");
        check_refused(
            b"\x89PNG\r\n\x1a\nand then something else",
            "image/png",
            "picture-broken",
        );
        check_refused(
            b"\xff\xd8\xff\xda and then \xff\xd9",
            "image/jpeg",
            "picture-broken",
        );
        let picture = encode(pattern(64, 64), ImageFormat::Png);
        check_refused(&picture, "image/jpeg", "picture-broken");
        check_refused(&picture, "text/plain", "picture-broken");
    }

    #[test]
    fn a_small_file_of_very_many_pixels_is_not_decoded() {
        let wide = ImageBuffer::from_pixel(SIDE_MAX + 1, 1, Luma([0_u8]));
        check_refused(
            &encode(wide, ImageFormat::Png),
            "image/png",
            "picture-too-large",
        );
        let high = ImageBuffer::from_pixel(1, SIDE_MAX + 1, Luma([0_u8]));
        check_refused(
            &encode(high, ImageFormat::Jpeg),
            "image/jpeg",
            "picture-too-large",
        );

        let deep = ImageBuffer::from_pixel(3000, 3000, Rgba([0_u16; 4]));
        assert!(deep.as_raw().len() as u64 * 2 > DECODED_BYTES_MAX);
        check_refused(
            &encode(deep, ImageFormat::Png),
            "image/png",
            "picture-too-large",
        );
    }
}

//! Pictures: panels with axes, drawn by [`plotters`] and written as PNG.
//!
//! The drawing library fills shapes without smoothing their edges. So everything is drawn several times as large as it is
//! asked for, and each pixel of the picture is the mean of those drawn.

mod panel;
mod ticks;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontTransform, register_font};

pub use self::panel::{Axis, Panel};

/// A colour of a series.
pub type Colour = RGBColor;

/// The first colour for series: those of a palette that remains distinguishable with impaired colour vision (M. Okabe,
/// K. Ito, *Color Universal Design*, 2008).
pub const BLUE: Colour = RGBColor(0, 114, 178);
/// The second colour for series.
pub const ORANGE: Colour = RGBColor(213, 94, 0);
/// The third colour for series.
pub const GREEN: Colour = RGBColor(0, 158, 115);
/// The colour of data, behind what is made of them.
pub const GREY: Colour = RGBColor(140, 146, 156);
const INK: Colour = RGBColor(40, 44, 52);
const GRID: Colour = RGBColor(228, 230, 234);

/// How many times as large as the picture it is drawn.
const SCALE: i32 = 3;

/// What can go wrong with a picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The drawing library failed.
    #[error("the picture cannot be drawn: {0}")]
    Drawing(#[from] DrawingAreaErrorKind<BackendError>),
    /// The file cannot be written.
    #[error("{}: {source}", path.display())]
    Writing {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: png::EncodingError,
    },
}

/// The error type of the drawing backend, which the library does not export by name.
type BackendError = <BitMapBackend<'static> as DrawingBackend>::ErrorType;
type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// A picture of a size in pixels.
pub struct Picture {
    width: u32,
    height: u32,
    /// Red, green and blue of the pixels as drawn, row by row from the top.
    drawn: Vec<u8>,
}

impl Picture {
    /// A white picture with a title.
    ///
    /// # Errors
    /// If the drawing library fails.
    pub fn new(width: u32, height: u32, title: &str) -> Result<Self, PictureError> {
        static FONTS: Once = Once::new();
        FONTS.call_once(|| {
            let (normal, bold) = (
                include_bytes!("../../fonts/DejaVuSans.ttf"),
                include_bytes!("../../fonts/DejaVuSans-Bold.ttf"),
            );
            // A font that is refused shows as an error of the first text.
            let _ = register_font("sans", FontStyle::Normal, normal);
            let _ = register_font("sans", FontStyle::Bold, bold);
        });
        let pixels = (width * height) as usize * (SCALE * SCALE) as usize;
        let drawn = vec![255; 3 * pixels];
        let mut picture = Self {
            width,
            height,
            drawn,
        };
        let middle = (width as f64 / 2.0, 20.0);
        text(&picture.area(), title, middle, &Style::title())?;
        Ok(picture)
    }

    fn area(&mut self) -> Area<'_> {
        let size = (self.width * SCALE as u32, self.height * SCALE as u32);
        BitMapBackend::with_buffer(&mut self.drawn, size).into_drawing_area()
    }

    /// Writes the picture to a PNG file, and creates the folder that it is to be in if there is none.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PictureError> {
        self.write(path).map_err(|source| PictureError::Writing {
            path: path.into(),
            source,
        })
    }

    fn write(&self, path: &Path) -> Result<(), png::EncodingError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = BufWriter::new(File::create(path)?);
        let mut encoder = png::Encoder::new(file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels())?;
        writer.finish()
    }

    /// The picture in its own size.
    fn pixels(&self) -> Vec<u8> {
        let (width, scale) = (self.width as usize, SCALE as usize);
        let mean = |row: usize, column: usize, channel: usize| {
            let mut sum = 0;
            for y in row * scale..(row + 1) * scale {
                for x in column * scale..(column + 1) * scale {
                    sum += u32::from(self.drawn[3 * (y * width * scale + x) + channel]);
                }
            }
            let count = (scale * scale) as u32;
            ((sum + count / 2) / count) as u8
        };
        let length = 3 * width * self.height as usize;
        (0..length)
            .map(|k| mean(k / 3 / width, k / 3 % width, k % 3))
            .collect()
    }
}

/// A length of the picture in pixels as drawn.
fn drawn(length: f64) -> i32 {
    (length * f64::from(SCALE)).round() as i32
}

/// How a text is set.
struct Style {
    size: f64,
    weight: FontStyle,
    anchor: Pos,
    turned: bool,
}

impl Style {
    fn title() -> Self {
        Self {
            size: 19.0,
            weight: FontStyle::Bold,
            ..Self::at(HPos::Center, VPos::Center)
        }
    }

    /// Text of the usual size, whose position is that of the side given.
    fn at(horizontal: HPos, vertical: VPos) -> Self {
        Self {
            size: 14.0,
            weight: FontStyle::Normal,
            anchor: Pos::new(horizontal, vertical),
            turned: false,
        }
    }

    fn font(&self) -> FontDesc<'static> {
        let size = self.size * f64::from(SCALE);
        FontDesc::new(FontFamily::Name("sans"), size, self.weight)
    }
}

fn text(area: &Area<'_>, text: &str, at: (f64, f64), style: &Style) -> Result<(), PictureError> {
    let turn = if style.turned {
        FontTransform::Rotate270
    } else {
        FontTransform::None
    };
    let font = style.font().transform(turn);
    let style = font.color(&INK).pos(style.anchor);
    Ok(area.draw_text(text, &style, (drawn(at.0), drawn(at.1)))?)
}

/// The width of a text of the usual size.
fn text_width(area: &Area<'_>, text: &str) -> Result<f64, PictureError> {
    let font = Style::at(HPos::Left, VPos::Center).font();
    let (width, _) = area.estimate_text_size(text, &font.color(&INK))?;
    Ok(f64::from(width) / f64::from(SCALE))
}

//! One pair of axes and what is drawn between them.

use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::style::Color;
use plotters::style::colors::colormaps::ViridisRGB;

use super::*;

/// The distances from the edges of a panel to its axes: room for labels.
const LEFT: f64 = 78.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 58.0;
/// The distance of headings and legends from the axes below them.
const HEADING: f64 = 17.0;

/// An axis: what it shows, and from where to where.
#[derive(Clone, Copy, Debug)]
pub struct Axis<'a> {
    label: &'a str,
    /// The ends, or their decimal logarithms.
    from: f64,
    to: f64,
    logarithmic: bool,
    /// The labels of 0, 1 and so on, instead of numbers.
    names: &'a [&'a str],
}

impl<'a> Axis<'a> {
    /// An axis from `from` to `to`.
    pub fn linear(label: &'a str, from: f64, to: f64) -> Self {
        Self {
            label,
            from,
            to,
            logarithmic: false,
            names: &[],
        }
    }

    /// A logarithmic axis from `from` to `to`, both positive.
    pub fn logarithmic(label: &'a str, from: f64, to: f64) -> Self {
        Self {
            label,
            from: from.log10(),
            to: to.log10(),
            logarithmic: true,
            names: &[],
        }
    }

    /// An axis of things that have names: the first is at 0, the next at 1.
    pub fn names(label: &'a str, names: &'a [&'a str]) -> Self {
        Self {
            names,
            ..Self::linear(label, -0.5, names.len() as f64 - 0.5)
        }
    }

    /// Where a value stands on the axis, 0 at its beginning and 1 at its end.
    fn place(&self, value: f64) -> f64 {
        let value = if self.logarithmic {
            value.log10()
        } else {
            value
        };
        (value - self.from) / (self.to - self.from)
    }

    /// The places and labels of the ticks, `count` or so.
    fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let place = |tick: f64| (tick - self.from) / (self.to - self.from);
        if !self.names.is_empty() {
            let names = self.names.iter().enumerate();
            names
                .map(|(k, name)| (place(k as f64), (*name).to_owned()))
                .collect()
        } else if self.logarithmic {
            let decades = ticks::decades(self.from, self.to, count);
            decades
                .into_iter()
                .map(|t| (place(t), ticks::power_label(t)))
                .collect()
        } else {
            let round = ticks::linear(self.from, self.to, count);
            round
                .into_iter()
                .map(|t| (place(t), ticks::label(t)))
                .collect()
        }
    }
}

#[derive(Clone, Copy)]
enum Mark {
    Line(f64),
    Dashes,
    Dot(f64),
    Band,
}

/// A part of a picture with axes of its own.
pub struct Panel<'a> {
    picture: &'a mut Picture,
    x: Axis<'a>,
    y: Axis<'a>,
    /// Left, top, right and bottom of the axes, in pixels of the picture.
    frame: [f64; 4],
    legend: Vec<(Mark, Colour, String)>,
}

impl Picture {
    /// A panel with a heading, in the part of the picture between the fractions `left` and `right` of its width and `top`
    /// and `bottom` of its height below the title.
    ///
    /// # Errors
    /// If the drawing library fails, here and in all methods of the panel.
    pub fn panel<'a>(
        &'a mut self,
        heading: &str,
        [left, top, right, bottom]: [f64; 4],
        x: Axis<'a>,
        y: Axis<'a>,
    ) -> Result<Panel<'a>, PictureError> {
        const TITLE: f64 = 28.0;
        let (width, height) = (f64::from(self.width), f64::from(self.height) - TITLE);
        let frame = [
            left * width + LEFT,
            TITLE + top * height + TOP,
            right * width - RIGHT,
            TITLE + bottom * height - BOTTOM,
        ];
        let mut panel = Panel {
            picture: self,
            x,
            y,
            frame,
            legend: Vec::new(),
        };
        let [left, top, right, bottom] = frame;
        let middle = ((left + right) / 2.0, (top + bottom) / 2.0);
        let above = (left, top - HEADING);
        text(
            &panel.picture.area(),
            heading,
            above,
            &Style::at(HPos::Left, VPos::Center),
        )?;
        panel.draw_axes(middle)?;
        Ok(panel)
    }
}

impl Panel<'_> {
    fn draw_axes(&mut self, middle: (f64, f64)) -> Result<(), PictureError> {
        let [left, top, right, bottom] = self.frame;
        let ticks = |length: f64, space: f64| (length / space).round() as usize;
        for (place, label) in self.x.ticks(ticks(right - left, 90.0)) {
            let x = left + place * (right - left);
            self.segment((x, top), (x, bottom), GRID, 1.0)?;
            let style = Style::at(HPos::Center, VPos::Top);
            text(&self.picture.area(), &label, (x, bottom + 7.0), &style)?;
        }
        for (place, label) in self.y.ticks(ticks(bottom - top, 48.0)) {
            let y = bottom - place * (bottom - top);
            self.segment((left, y), (right, y), GRID, 1.0)?;
            let style = Style::at(HPos::Right, VPos::Center);
            text(&self.picture.area(), &label, (left - 7.0, y), &style)?;
        }
        let corners = [
            (left, top),
            (right, top),
            (right, bottom),
            (left, bottom),
            (left, top),
        ];
        for side in corners.windows(2) {
            self.segment(side[0], side[1], INK, 1.0)?;
        }
        let below = Style::at(HPos::Center, VPos::Top);
        text(
            &self.picture.area(),
            self.x.label,
            (middle.0, bottom + 30.0),
            &below,
        )?;
        let beside = Style {
            turned: true,
            ..Style::at(HPos::Center, VPos::Center)
        };
        text(
            &self.picture.area(),
            self.y.label,
            (left - 58.0, middle.1),
            &beside,
        )
    }

    /// Where a point of the data is in the picture.
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let [left, top, right, bottom] = self.frame;
        (
            left + self.x.place(x) * (right - left),
            bottom - self.y.place(y) * (bottom - top),
        )
    }

    /// A straight line between two points of the picture.
    fn segment(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        colour: Colour,
        width: f64,
    ) -> Result<(), PictureError> {
        let at = |point: (f64, f64)| (drawn(point.0), drawn(point.1));
        let style = colour.stroke_width(drawn(width) as u32);
        Ok(self
            .picture
            .area()
            .draw(&PathElement::new([at(from), at(to)], style))?)
    }

    /// A disc around a point of the picture.
    fn disc(
        &mut self,
        at: (f64, f64),
        radius: f64,
        colour: impl Color,
    ) -> Result<(), PictureError> {
        let centre = (drawn(at.0), drawn(at.1));
        Ok(self
            .picture
            .area()
            .draw(&Circle::new(centre, drawn(radius), colour.filled()))?)
    }

    /// A line through points of the data, named in the legend unless its name is empty.
    pub fn line(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        colour: Colour,
        width: f64,
        name: &str,
    ) -> Result<(), PictureError> {
        // Segment by segment, with round joints: the library's own have spikes at acute angles.
        let mut last = None;
        for point in points {
            let point = self.place(point);
            if let Some(last) = last {
                self.segment(last, point, colour, width)?;
                self.disc(point, width / 2.0, colour)?;
            }
            last = Some(point);
        }
        self.name(Mark::Line(width), colour, name);
        Ok(())
    }

    /// A dashed line between two points of the data, named in the legend unless its name is empty.
    pub fn dashes(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        colour: Colour,
        name: &str,
    ) -> Result<(), PictureError> {
        let ends = (self.place(from), self.place(to));
        self.draw_dashes(ends.0, ends.1, colour)?;
        self.name(Mark::Dashes, colour, name);
        Ok(())
    }

    fn draw_dashes(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        colour: Colour,
    ) -> Result<(), PictureError> {
        const PERIOD: f64 = 9.0;
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let periods = (dx.hypot(dy) / PERIOD).max(1.0);
        let at = |t: f64| (from.0 + dx * t / periods, from.1 + dy * t / periods);
        for k in 0..periods as u32 {
            let start = f64::from(k);
            self.segment(at(start), at(start + 0.6), colour, 1.5)?;
        }
        Ok(())
    }

    /// A dot of some opacity at each point of the data, named in the legend unless their name is empty.
    pub fn dots(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        colour: Colour,
        radius: f64,
        opacity: f64,
        name: &str,
    ) -> Result<(), PictureError> {
        for point in points {
            self.disc(self.place(point), radius, colour.mix(opacity))?;
        }
        self.name(Mark::Dot(radius.max(3.0)), colour, name);
        Ok(())
    }

    /// The area between two lines through points `(x, low, high)` of the data, named in the legend unless its name is empty.
    pub fn band(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64, f64)>,
        colour: Colour,
        opacity: f64,
        name: &str,
    ) -> Result<(), PictureError> {
        let at = |panel: &Self, point| {
            let (x, y) = panel.place(point);
            (drawn(x), drawn(y))
        };
        let (mut edge, mut back) = (Vec::new(), Vec::new());
        for (x, low, high) in points {
            edge.push(at(self, (x, low)));
            back.push(at(self, (x, high)));
        }
        // In pieces, because the library is lost in long shapes; and opaque, because pieces share their edges.
        let colour = tint(colour, opacity);
        for (low, high) in edge.windows(2).zip(back.windows(2)) {
            let corners = [low[0], low[1], high[1], high[0]];
            let piece = Polygon::new(corners, colour.filled());
            self.picture.area().draw(&piece)?;
        }
        self.name(Mark::Band, colour, name);
        Ok(())
    }

    /// A dot at each point `(x, y, value)` of the data, coloured by its value between `low` and `high`.
    pub fn coloured_dots(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64, f64)>,
        radius: f64,
        [low, high]: [f64; 2],
    ) -> Result<(), PictureError> {
        for (x, y, value) in points {
            let colour = ViridisRGB.get_color_normalized(value, low, high);
            self.disc(self.place((x, y)), radius, colour)?;
        }
        Ok(())
    }

    /// A cell around each point `(x, y, value)` of a grid with the spacing `step` in both directions, coloured by its
    /// value between `low` and `high`; the cells end at the axes.
    pub fn cells(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64, f64)>,
        step: f64,
        [low, high]: [f64; 2],
    ) -> Result<(), PictureError> {
        let [left, top, right, bottom] = self.frame;
        for (x, y, value) in points {
            let corner = |sign: f64| {
                let (x, y) = self.place((x + sign * step / 2.0, y + sign * step / 2.0));
                (drawn(x.clamp(left, right)), drawn(y.clamp(top, bottom)))
            };
            let colour = ViridisRGB.get_color_normalized(value, low, high);
            let cell = Rectangle::new([corner(-1.0), corner(1.0)], colour.filled());
            self.picture.area().draw(&cell)?;
        }
        Ok(())
    }

    /// Shades the panel from one `x` to another.
    pub fn shade(&mut self, from: f64, to: f64) -> Result<(), PictureError> {
        let [_, top, _, bottom] = self.frame;
        let edge = |x: f64, y: f64| (drawn(self.place((x, 0.0)).0), drawn(y));
        let corners = [edge(from, top), edge(to, bottom)];
        let shade = Rectangle::new(corners, ORANGE.mix(0.08).filled());
        Ok(self.picture.area().draw(&shade)?)
    }

    /// Lines of text in the lower right corner.
    pub fn notes(&mut self, notes: &[String]) -> Result<(), PictureError> {
        let [_, _, right, bottom] = self.frame;
        for (row, note) in notes.iter().rev().enumerate() {
            let at = (right - 14.0, bottom - 20.0 - 22.0 * row as f64);
            let style = Style::at(HPos::Right, VPos::Center);
            text(&self.picture.area(), note, at, &style)?;
        }
        Ok(())
    }

    fn name(&mut self, mark: Mark, colour: Colour, name: &str) {
        if !name.is_empty() {
            self.legend.push((mark, colour, name.to_owned()));
        }
    }

    /// The names of what was drawn, above the axes at the right.
    pub fn legend(&mut self) -> Result<(), PictureError> {
        const KEY: f64 = 24.0;
        let [_, top, right, _] = self.frame;
        let (mut x, y) = (right, top - HEADING);
        for (mark, colour, name) in std::mem::take(&mut self.legend).iter().rev() {
            x -= text_width(&self.picture.area(), name)?;
            text(
                &self.picture.area(),
                name,
                (x, y),
                &Style::at(HPos::Left, VPos::Center),
            )?;
            x -= KEY + 8.0;
            let (from, to) = ((x, y), (x + KEY, y));
            match *mark {
                Mark::Line(width) => self.segment(from, to, *colour, width)?,
                Mark::Dashes => self.draw_dashes(from, to, *colour)?,
                Mark::Dot(radius) => self.disc((x + KEY / 2.0, y), radius, *colour)?,
                Mark::Band => {
                    let corners = [
                        (drawn(from.0), drawn(y - 6.0)),
                        (drawn(to.0), drawn(y + 6.0)),
                    ];
                    let key = Rectangle::new(corners, colour.filled());
                    self.picture.area().draw(&key)?;
                }
            }
            x -= 20.0;
        }
        Ok(())
    }

    /// What the colours between `low` and `high` stand for, above the axes at the right.
    pub fn colour_key(&mut self, [low, high]: [f64; 2]) -> Result<(), PictureError> {
        const LENGTH: u32 = 90;
        let [_, top, right, _] = self.frame;
        let (mut x, y) = (right, top - HEADING);
        let label = ticks::label(high);
        text(
            &self.picture.area(),
            &label,
            (x, y),
            &Style::at(HPos::Right, VPos::Center),
        )?;
        x -= text_width(&self.picture.area(), &label)? + 6.0 + f64::from(LENGTH);
        for k in 0..LENGTH {
            let colour = ViridisRGB.get_color(f64::from(k) / f64::from(LENGTH - 1));
            let from = x + f64::from(k);
            let corners = [
                (drawn(from), drawn(y - 6.0)),
                (drawn(from + 1.0), drawn(y + 6.0)),
            ];
            self.picture
                .area()
                .draw(&Rectangle::new(corners, colour.filled()))?;
        }
        let style = Style::at(HPos::Right, VPos::Center);
        text(
            &self.picture.area(),
            &ticks::label(low),
            (x - 6.0, y),
            &style,
        )
    }
}

/// A colour as it appears on white at some opacity.
fn tint(RGBColor(red, green, blue): Colour, opacity: f64) -> Colour {
    let mix = |channel: u8| (255.0 - opacity * (255.0 - f64::from(channel))).round() as u8;
    RGBColor(mix(red), mix(green), mix(blue))
}

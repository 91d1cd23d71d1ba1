//! The sweep as a drawing: one chart for each protocol mode, makespan over bound by the number of streams.

use plotters::prelude::*;

use super::{Cell, STREAMS, ratios};

/// Short, medium, long: a line for each.
const SHOWN: [u32; 3] = [5, 40, 200];
const COLORS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// An SVG document.
pub fn draw(cells: &[Cell]) -> Result<String, DrawingAreaErrorKind<std::io::Error>> {
    let mut document = String::new();
    {
        let area = SVGBackend::with_string(&mut document, (1100, 460)).into_drawing_area();
        area.fill(&WHITE)?;
        let (left, right) = area.split_horizontally(550);
        chart(&left, cells, true, "Posted messages, by the time of a wake-up")?;
        chart(&right, cells, false, "Round trips, by their time")?;
        area.present()?;
    }
    Ok(document)
}

fn chart(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    cells: &[Cell],
    posted: bool,
    title: &str,
) -> Drawn {
    let of_mode = cells.iter().filter(|cell| cell.r#async == posted && SHOWN.contains(&cell.round_trip_us));
    let shown = of_mode.map(|cell| ratios(cells, posted, cell.streams, cell.round_trip_us));
    let highest = shown.fold(2.0, |highest: f64, (ours, best)| highest.max(ours).max(best));
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d((1u32..1024).log_scale().base(2.0), (1.0..highest * 1.1).log_scale())?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc("streams")
        .y_desc("makespan over lower bound")
        .y_label_formatter(&|ratio| format!("{ratio:.1}"))
        .draw()?;
    for (round_trip, color) in SHOWN.into_iter().zip(COLORS) {
        let line = |best: bool| {
            STREAMS.map(|streams| {
                let (ours, others) = ratios(cells, posted, streams, round_trip);
                (streams, if best { others } else { ours })
            })
        };
        chart
            .draw_series(LineSeries::new(line(false), color.stroke_width(3)))?
            .label(format!("dxgrt, {round_trip} µs"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(3)));
        chart
            .draw_series(LineSeries::new(line(true), color.mix(0.6).stroke_width(1)))?
            .label(format!("the best other, {round_trip} µs"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.mix(0.6).stroke_width(1)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

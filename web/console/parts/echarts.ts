// The parts of ECharts that the console draws with, in a chunk of their own.
import { BarChart, LineChart, PieChart } from "echarts/charts";
import { DataZoomInsideComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { init, use as register, type ECharts, type EChartsCoreOption } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

register([BarChart, LineChart, PieChart, GridComponent, TooltipComponent, LegendComponent, MarkLineComponent, DataZoomInsideComponent, CanvasRenderer]);

export type Drawn = ECharts;
export type ChartOption = EChartsCoreOption;
export const draw = (box: HTMLElement): ECharts => init(box);

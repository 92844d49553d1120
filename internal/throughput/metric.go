package throughput

import "fmt"

// A Metric is a quantity that is measured, by its name in JSON.
type Metric string

// The metrics. Bit are those that the application receives.
const (
	TCP1        Metric = "tcp1_gbps" // Gbit/s
	TCP1CPU     Metric = "tcp1_cpu_s_per_gbit"
	TCP1Soft    Metric = "tcp1_machine_softirq_s_per_gbit"
	TCP4        Metric = "tcp4_gbps"
	TCP4CPU     Metric = "tcp4_cpu_s_per_gbit"
	TCP4Soft    Metric = "tcp4_machine_softirq_s_per_gbit"
	Reverse     Metric = "reverse_gbps"
	ReverseCPU  Metric = "reverse_cpu_s_per_gbit"
	ReverseSoft Metric = "reverse_machine_softirq_s_per_gbit"
	UDP         Metric = "udp64_pps" // packets/s
	IdleP50     Metric = "rtt_idle_p50_us"
	IdleP99     Metric = "rtt_idle_p99_us"
	LoadedP50   Metric = "rtt_loaded_p50_us"
	LoadedP99   Metric = "rtt_loaded_p99_us"
	LoadedTCP   Metric = "rtt_loaded_tcp_gbps" // of the stream beside
)

// Metrics returns all of them.
func Metrics() []Metric {
	return []Metric{
		TCP1, TCP1CPU, TCP1Soft, TCP4, TCP4CPU, TCP4Soft, Reverse, ReverseCPU, ReverseSoft,
		UDP, IdleP50, IdleP99, LoadedP50, LoadedP99, LoadedTCP,
	}
}

// A unit is what a metric is shown in: its name, and how much of the metric it is.
type unit struct {
	name string
	of   float64
}

// units are those of the metrics in the tables and the picture.
var units = map[Metric]unit{
	TCP1: {"Gbit/s", 1}, TCP4: {"Gbit/s", 1}, Reverse: {"Gbit/s", 1}, TCP1CPU: {"s/Gbit", 1}, UDP: {"kpackets/s", 1000},
	IdleP50: {"µs", 1}, IdleP99: {"µs", 1}, LoadedP50: {"µs", 1}, LoadedP99: {"µs", 1},
}

// format writes a value in the metric's unit, without its name.
func (m Metric) format(v float64) string { return figure(v / units[m].of) }

// figure writes a positive number with three digits that count.
func figure(v float64) string {
	switch {
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.9995:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

package cost

import "time"

// Default is the book before anyone edited it: public list prices with their source and date, to be replaced by one's own.
//
// Rents are on demand: the cheapest public offers, specialised clouds in the middle, large clouds at the high end. Peak FLOPs (16 bits,
// without sparsity), memory and TDP are the makers' data sheets; ServerWatts is an eighth of the maker's own server of eight
// (6.5 kW with A100, 10.2 kW with H100 and H200, 14.3 kW with B200).
func Default() Book {
	may := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	const list = "public list prices on demand and resellers' purchase prices, 2026-05; data sheets"
	gpu := func(pattern string, low, typical, high float64, h Hardware) Price {
		return Price{Device: pattern, PerHour: typical, PerHourLow: low, PerHourHigh: high, From: may, Source: list, Hardware: h}
	}
	return Book{
		{
			Device: "cpu:*", PerHour: 0.05, PerHourLow: 0.02, PerHourHigh: 0.06, From: may,
			Source: "general-purpose cloud virtual core, on demand, 2026-05",
			// Half of a core of 2 × 8 lanes × multiply-add at 3 GHz; a tenth of a server of 64 such at 250 W.
			Hardware: Hardware{PeakFLOPs: 48e9, Memory: 4e9, Watts: 4, ServerWatts: 8},
		},
		gpu("gpu:*A100*", 0.80, 1.30, 3.00, Hardware{PeakFLOPs: 312e12, Memory: 80e9, Watts: 400, ServerWatts: 812.5, Purchase: Range{7_000, 10_000, 15_000}}),
		gpu("gpu:*H100*", 2.00, 3.00, 5.00, Hardware{PeakFLOPs: 989.4e12, Memory: 80e9, Watts: 700, ServerWatts: 1275, Purchase: Range{20_000, 27_500, 40_000}}),
		gpu("gpu:*H200*", 2.50, 4.00, 7.00, Hardware{PeakFLOPs: 989.4e12, Memory: 141e9, Watts: 700, ServerWatts: 1275, Purchase: Range{28_000, 32_500, 40_000}}),
		gpu("gpu:*B200*", 4.50, 5.25, 12.00, Hardware{PeakFLOPs: 2250e12, Memory: 180e9, Watts: 1000, ServerWatts: 1787.5, Purchase: Range{35_000, 42_500, 55_000}}),
		{Device: "storage:*", PerGBMonth: 0.023, From: may, Source: "S3 standard storage, 2026-05"},
	}
}

// Package meter samples what a worker's process and machine consume: processor,
// memory, disk, network, GPUs and energy.
//
// New begins to measure, Sample returns one event.Usage, Close lets the GPU
// library go. A Meter may be shared: Sample may be called concurrently.
//
//	m := meter.New(meter.Config{Dir: dataDir, Log: log})
//	defer m.Close()
//	usage, err := m.Sample(ctx)
//
// # What is measured where
//
// NVIDIA GPUs are asked through NVML, the library that comes with the driver. It
// is looked for when the program runs, so one binary, built without cgo, serves
// machines with and without GPUs; a machine without a driver is told of once, in
// the log. All GPUs that the driver shows are sampled, whoever uses them. A
// number that a GPU does not tell (such as the load of one that is split by MIG)
// is NaN or left out, never 0.
//
// The energy of processor packages comes from Linux's powercap (RAPL, which AMD
// has as well). Since 2020 only root may read it, and virtual machines have none:
// then Usage.Joules is nil.
//
// # Caveats
//
// Rates need time between samples: Samples that follow each other within 200 ms
// share them. The processor's energy counter starts again after minutes to hours
// (262 kJ on many); a meter that is not asked for so long may miss a round.
//
// Loading a C library at run time makes even a program built without cgo need
// the C library's dynamic linker (glibc). The build tag "static" leaves NVML out,
// for images that have none.
package meter

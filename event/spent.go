package event

// UsageSampled is what a worker's process and machine consumed at a moment, while it did a run.
type UsageSampled struct {
	Run    RunID    `json:"run"`
	Worker WorkerID `json:"worker"`
	Usage  Usage    `json:"usage"`
}

// Usage is one sample. Rates are over the time since the sample before; bytes are absolute or since start, as named.
type Usage struct {
	At             int64      `json:"at"`              // microseconds since 1970
	CPUPercent     Number     `json:"cpu_percent"`     // of the process; 100 is one core
	MachinePercent Number     `json:"machine_percent"` // of all cores, 0-100
	RSS            int64      `json:"rss"`             // bytes, of the process
	MemoryUsed     int64      `json:"memory_used"`     // bytes, of the machine
	MemoryTotal    int64      `json:"memory_total"`
	DiskRead       int64      `json:"disk_read"` // bytes by the process since it started
	DiskWritten    int64      `json:"disk_written"`
	DiskFree       int64      `json:"disk_free"`    // bytes left where data lies
	NetReceived    int64      `json:"net_received"` // bytes by the machine since it started
	NetSent        int64      `json:"net_sent"`
	Joules         *Number    `json:"joules,omitempty"` // by the processor package since the worker started, where it tells
	GPUs           []GPUUsage `json:"gpus,omitempty"`
}

// GPUUsage is one GPU's part of a sample.
type GPUUsage struct {
	Index       int      `json:"index"`
	Name        string   `json:"name"`
	Percent     Number   `json:"percent"`
	MemoryUsed  int64    `json:"memory_used"`
	MemoryTotal int64    `json:"memory_total"`
	Watts       *Number  `json:"watts,omitempty"`
	Celsius     *Number  `json:"celsius,omitempty"`
	Joules      *Number  `json:"joules,omitempty"` // since the driver was loaded
	Throttled   []string `json:"throttled,omitempty"`
	// OwnMemory is what the sampled process holds of MemoryUsed, in bytes; Processes are all that compute on the GPU, as far as the driver tells.
	OwnMemory int64        `json:"own_memory,omitempty"`
	Processes []GPUProcess `json:"processes,omitempty"`
}

// GPUProcess is a process that computes on a GPU.
type GPUProcess struct {
	PID        int   `json:"pid"`                   // in the driver's eyes: a container may know it by another number
	MemoryUsed int64 `json:"memory_used,omitempty"` // bytes; 0: the driver does not tell
}

// ResourcesSpent is what an attempt has spent on a device so far. It is cumulative: the newest of (run, attempt, worker, device)
// replaces the one before, so a repeat is harmless. Prices are applied when read.
type ResourcesSpent struct {
	Run     RunID    `json:"run"`
	Attempt int      `json:"attempt"`
	Worker  WorkerID `json:"worker"`
	Device  Device   `json:"device"`
	Seconds Number   `json:"seconds"` // wall seconds × Device.Count = device-seconds
	Joules  *Number  `json:"joules,omitempty"`
	FLOPs   Number   `json:"flops,omitempty"`
	Tokens  int64    `json:"tokens,omitempty"`
	Stored  int64    `json:"stored,omitempty"` // bytes put into storage
	Moved   int64    `json:"moved,omitempty"`  // bytes read from and sent to storage
	// Paid is what others are paid for what no device here did, in US dollars: the tokens of an API, at the price that its user gave.
	Paid Number `json:"paid,omitempty"`
}

// Device is what a price is asked for.
type Device struct {
	Kind  string `json:"kind"`  // "cpu", "gpu"
	Name  string `json:"name"`  // as the system names it
	Count int    `json:"count"` // cores or GPUs held
}

// PriceSet adds a line to the price book: from a date on, this is what a device costs. Device is a pattern over "kind:name" in
// which '*' stands for anything. A zero of what follows Source is not said: then an earlier line for the device says it.
type PriceSet struct {
	Device     string `json:"device"`
	PerHour    Number `json:"per_hour"`               // US dollars per device-hour
	PerKWh     Number `json:"per_kwh,omitempty"`      // US dollars for energy, where joules are known and not in the rent
	PerGBMonth Number `json:"per_gb_month,omitempty"` // US dollars for storage
	From       string `json:"from"`                   // date, YYYY-MM-DD
	Source     string `json:"source"`

	PerHourLow   Number `json:"per_hour_low,omitempty"` // what others ask; both or none
	PerHourHigh  Number `json:"per_hour_high,omitempty"`
	PUE          Number `json:"pue,omitempty"`          // what the building draws for each joule of the device
	PeakFLOPs    Number `json:"peak_flops,omitempty"`   // a second, 16-bit matrix products
	Memory       Number `json:"memory,omitempty"`       // bytes
	Watts        Number `json:"watts,omitempty"`        // of the device, at most
	ServerWatts  Number `json:"server_watts,omitempty"` // with its share of a server, at most
	Purchase     Number `json:"purchase,omitempty"`     // US dollars for the device alone, typically
	PurchaseLow  Number `json:"purchase_low,omitempty"` // both or none
	PurchaseHigh Number `json:"purchase_high,omitempty"`
}

func (UsageSampled) Type() Type   { return "run.usage_sampled" }
func (ResourcesSpent) Type() Type { return "run.resources_spent" }
func (PriceSet) Type() Type       { return "price.set" }

func (e UsageSampled) Subject() string   { return runSubject(e.Run, "usage_sampled") }
func (e ResourcesSpent) Subject() string { return runSubject(e.Run, "resources_spent") }
func (PriceSet) Subject() string         { return Prefix + "price.book.set" }

func (UsageSampled) sealed()   {}
func (ResourcesSpent) sealed() {}
func (PriceSet) sealed()       {}

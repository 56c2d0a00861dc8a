package bus_test

const crashDirEnv = "MILLRACE_BUS_CRASH_DIR"

func publishUntilKilled(string) int { return 0 }

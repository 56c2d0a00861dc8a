// Package date is the result that package dateparser never has.
package date

import "time"

// Date is a moment.
type Date struct{ Time time.Time }

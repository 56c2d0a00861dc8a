package job

import (
	"errors"

	"millrace/storage/blob"
)

// Stored says what a fault of the object store means for a run: what is missing, damaged, refused or full stays so, a store that is away may come
// back. Any other error is returned as it came.
func Stored(err error) error {
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return Fail("missing_input", "it was deleted from storage, or this worker uses another bucket", err)
	case errors.Is(err, blob.ErrCorrupt):
		return Fail("corrupt_input", "its bytes in storage are not what was written; restore or make it again", err)
	case errors.Is(err, blob.ErrDenied):
		return Fail("storage_denied", "check the S3 access key and secret of this worker", err)
	case errors.Is(err, blob.ErrFull):
		return Fail("storage_full", "free space where objects are stored, then start the run again", err)
	case errors.Is(err, blob.ErrUnavailable):
		return Retry("storage_unavailable", "see that the object store is up, then start the run again", err)
	}
	return err
}

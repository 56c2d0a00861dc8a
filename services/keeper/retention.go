package keeper

import "context"

// ApplyRetention comes below.
func (k *Keeper) ApplyRetention(ctx context.Context, dry bool) (any, error) { return nil, nil }

// Package optim changes parameters by their gradients: AdamW on the device, global-norm clipping, learning-rate schedules.
package optim

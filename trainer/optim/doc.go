// Package optim changes parameters by their gradients: AdamW, Adam, SGD, Lion and Muon on the device, global-norm clipping, learning-rate
// schedules. Config and Schedule are data; New makes an Optimizer, whose state is a safetensors file.
package optim

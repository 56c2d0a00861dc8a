package cpu

import "golang.org/x/sys/cpu"

//go:generate go run ./internal/asmgen

// levels lists what this processor can run, fastest first.
func levels() []level {
	var found []level
	if hasAMX() {
		l := avx512Level()
		l.bf16 = bf16Level{name: "amx", pairs: bfPairsAmx, rows: bfRowsAmx, turn: bfTurnAvx512, tiles: bfTilesAmx}
		found = append(found, l)
	}
	if hasAVX512() {
		found = append(found, avx512Level())
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		found = append(found, level{
			name: "avx2", tileRows: 6, panel: 16,
			tile: tileAvx2, packTransposed: packTransposedAvx2, packColumns: packColumnsAvx2,
			gelu: geluAvx2, geluBackward: geluBackwardAvx2,
			softmax: softmaxAvx2, softmaxColumns: softmaxColumnsAvx2, softmaxColumnsBackward: softmaxColumnsBackwardAvx2,
			layerNorm: layerNormAvx2, layerNormBackward: layerNormBackwardAvx2,
			add: addAvx2, scale: scaleAvx2, sumSquares: sumSquaresAvx2, sumRows: sumRowsAvx2, adamW: adamWAvx2,
			relu: reluAvx2, relu2: relu2Avx2, silu: siluAvx2, geluExact: geluExactAvx2,
			reluBackward: reluBackwardAvx2, relu2Backward: relu2BackwardAvx2, siluBackward: siluBackwardAvx2, geluExactBackward: geluExactBackwardAvx2,
			softCap: softCapAvx2, softCapBackward: softCapBackwardAvx2, mul: mulAvx2, mix: mixAvx2, rotate: rotateAvx2, dropout: dropoutGo,
			rmsNorm: rmsNormAvx2, rmsNormBackward: rmsNormBackwardAvx2, lion: lionAvx2, sgd: sgdAvx2,
			bf16: bf16Level{name: "avx2", pairs: bfPairsAvx2, rows: bfRowsAvx2, turn: bfTurnAvx2, spread: bfSpreadAvx2, tiles: bfTilesAvx2},
		})
	}
	return append(found, goLevel())
}

func hasAVX512() bool {
	return cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL && cpu.X86.HasFMA
}

func avx512Level() level {
	return level{
		name: "avx512", tileRows: 14, panel: 32,
		tile: tileAvx512, packTransposed: packTransposedAvx512, packColumns: packColumnsAvx512,
		gelu: geluAvx512, geluBackward: geluBackwardAvx512,
		softmax: softmaxAvx512, softmaxColumns: softmaxColumnsAvx512, softmaxColumnsBackward: softmaxColumnsBackwardAvx512,
		layerNorm: layerNormAvx512, layerNormBackward: layerNormBackwardAvx512,
		add: addAvx512, scale: scaleAvx512, sumSquares: sumSquaresAvx512, sumRows: sumRowsAvx512, adamW: adamWAvx512,
		relu: reluAvx512, relu2: relu2Avx512, silu: siluAvx512, geluExact: geluExactAvx512,
		reluBackward: reluBackwardAvx512, relu2Backward: relu2BackwardAvx512, siluBackward: siluBackwardAvx512, geluExactBackward: geluExactBackwardAvx512,
		softCap: softCapAvx512, softCapBackward: softCapBackwardAvx512, mul: mulAvx512, mix: mixAvx512, rotate: rotateAvx512, dropout: dropoutAvx512,
		rmsNorm: rmsNormAvx512, rmsNormBackward: rmsNormBackwardAvx512, lion: lionAvx512, sgd: sgdAvx512,
		bf16: bf16Level{name: "avx512", pairs: bfPairsAvx512, rows: bfRowsAvx512, turn: bfTurnAvx512, spread: bfSpreadAvx512, tiles: bfTilesAvx512},
	}
}

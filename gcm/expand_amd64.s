//go:build gc && !purego

#include "textflag.h"

// SPREAD adds to each word of a key those before it, and the word of X2 that the order says.
#define SPREAD(key, order) \
	VPSHUFD order, X2, X2; \
	VPSLLDQ $4, key, X3; \
	VPXOR X3, key, key; \
	VPSLLDQ $8, key, X3; \
	VPXOR X3, key, key; \
	VPXOR X2, key, key

// EVEN and ODD make a round key from the two before it (FIPS 197 §5.2).
#define EVEN(constant, offset) \
	VAESKEYGENASSIST constant, X1, X2; \
	SPREAD(X0, $0xff); \
	VMOVDQU X0, offset(DI)

#define ODD(offset) \
	VAESKEYGENASSIST $0, X0, X2; \
	SPREAD(X1, $0xaa); \
	VMOVDQU X1, offset(DI)

// func expand(key *[KeySize]byte, roundKeys *[rounds + 1]block)
TEXT ·expand(SB), NOSPLIT, $0-16
	MOVQ key+0(FP), SI
	MOVQ roundKeys+8(FP), DI
	VMOVDQU (SI), X0
	VMOVDQU 16(SI), X1
	VMOVDQU X0, (DI)
	VMOVDQU X1, 16(DI)
	EVEN($0x01, 32)
	ODD(48)
	EVEN($0x02, 64)
	ODD(80)
	EVEN($0x04, 96)
	ODD(112)
	EVEN($0x08, 128)
	ODD(144)
	EVEN($0x10, 160)
	ODD(176)
	EVEN($0x20, 192)
	ODD(208)
	EVEN($0x40, 224)
	RET

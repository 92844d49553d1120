//go:build gc && !purego

#include "textflag.h"

// This is avx512_amd64.s with half as many lanes, half as many registers and no masks.
//
// Registers that keep their meaning:
//
//	Y9	the next two counter blocks, their bytes reversed
//	Y10	2 in the lowest word of each lane
//	Y11	reverses the bytes of each lane
//	Y12	the constant of the reduction, in the low half of each lane
//	X13	the hash so far, its bytes reversed, the upper lane zero
//
// Encryption has its blocks in Y0 to Y7 and a round key in Y8. The hash uses Y0 to Y3 for
// products, Y4 to Y6 for their sum, Y7 for powers and Y8 for blocks.
//
// AX is the schedule, BX the message, DI to where, SI from where, CX how many bytes. In the
// rest, R8 are the powers; R9 finds a mask.

DATA reverse2<>+0(SB)/8, $0x08090a0b0c0d0e0f
DATA reverse2<>+8(SB)/8, $0x0001020304050607
GLOBL reverse2<>(SB), RODATA|NOPTR, $16

// The high half of y^127 + y^126 + y^121.
DATA reduction2<>+0(SB)/8, $0xc200000000000000
DATA reduction2<>+8(SB)/8, $0
GLOBL reduction2<>(SB), RODATA|NOPTR, $16

// What is added to the first counter, by lane.
DATA first2<>+0(SB)/8, $1
DATA first2<>+8(SB)/8, $0
DATA first2<>+16(SB)/8, $2
DATA first2<>+24(SB)/8, $0
GLOBL first2<>(SB), RODATA|NOPTR, $32

DATA two<>+0(SB)/8, $2
DATA two<>+8(SB)/8, $0
GLOBL two<>(SB), RODATA|NOPTR, $16

// From 32-n on, n bytes of ones and zeros behind them.
DATA ones<>+0(SB)/8, $-1
DATA ones<>+8(SB)/8, $-1
DATA ones<>+16(SB)/8, $-1
DATA ones<>+24(SB)/8, $-1
DATA ones<>+32(SB)/8, $0
DATA ones<>+40(SB)/8, $0
DATA ones<>+48(SB)/8, $0
DATA ones<>+56(SB)/8, $0
GLOBL ones<>(SB), RODATA|NOPTR, $64

// schedule.powers, and the last of them; message.tail.
#define POWERS 240
#define POWER1 480
#define TAIL 64

// A round of AES of sixteen blocks, of two, and of one, with the round key at an offset.
#define ROUND16(key) \
	VBROADCASTI128 key(AX), Y8; \
	VAESENC Y8, Y0, Y0; \
	VAESENC Y8, Y1, Y1; \
	VAESENC Y8, Y2, Y2; \
	VAESENC Y8, Y3, Y3; \
	VAESENC Y8, Y4, Y4; \
	VAESENC Y8, Y5, Y5; \
	VAESENC Y8, Y6, Y6; \
	VAESENC Y8, Y7, Y7

#define ROUND2(key) \
	VBROADCASTI128 key(AX), Y8; \
	VAESENC Y8, Y0, Y0

#define ROUND1(key) \
	VAESENC key(AX), X0, X0

// COUNTERS makes the next two counter blocks, with the first round key, which is in Y8.
#define COUNTERS(to) \
	VPSHUFB Y11, Y9, to; \
	VPADDD Y10, Y9, Y9; \
	VPXOR Y8, to, to

// MULTIPLY adds to Y4 (low), Y5 (middle) and Y6 (high) the products of the lanes of Y8 and Y7.
#define MULTIPLY \
	VPCLMULQDQ $0x00, Y7, Y8, Y0; \
	VPCLMULQDQ $0x01, Y7, Y8, Y1; \
	VPCLMULQDQ $0x10, Y7, Y8, Y2; \
	VPCLMULQDQ $0x11, Y7, Y8, Y3; \
	VPXOR Y0, Y4, Y4; \
	VPXOR Y1, Y5, Y5; \
	VPXOR Y2, Y5, Y5; \
	VPXOR Y3, Y6, Y6

// REDUCE divides the products by y^128 modulo the polynomial: its lowest words, times what
// makes them vanish, are added twice. X13 becomes the sum of the lanes. It uses Y0.
#define REDUCE \
	VPCLMULQDQ $0x00, Y12, Y4, Y0; \
	VPSHUFD $0x4e, Y4, Y4; \
	VPXOR Y0, Y5, Y5; \
	VPXOR Y4, Y5, Y5; \
	VPCLMULQDQ $0x00, Y12, Y5, Y0; \
	VPSHUFD $0x4e, Y5, Y5; \
	VPXOR Y0, Y6, Y6; \
	VPXOR Y5, Y6, Y6; \
	VEXTRACTI128 $1, Y6, X0; \
	VPXOR X0, X6, X13

#define CLEAR \
	VPXOR Y4, Y4, Y4; \
	VPXOR Y5, Y5, Y5; \
	VPXOR Y6, Y6, Y6

// HASH1 hashes the block at an offset in the message.
#define HASH1(offset) \
	VMOVDQU offset(BX), X8; \
	VPSHUFB X11, X8, X8; \
	VPXOR X13, X8, X8; \
	VMOVDQU POWER1(AX), X7; \
	CLEAR; \
	MULTIPLY; \
	REDUCE

// HASH2 adds the products of two of sixteen blocks, at an offset from there.
#define HASH2(there, offset) \
	VMOVDQU offset(there), Y8; \
	VPSHUFB Y11, Y8, Y8; \
	VMOVDQU (POWERS+offset)(AX), Y7; \
	MULTIPLY

// HASH16 hashes the sixteen blocks that are there.
#define HASH16(there) \
	CLEAR; \
	VMOVDQU (there), Y8; \
	VPSHUFB Y11, Y8, Y8; \
	VPXOR Y13, Y8, Y8; \
	VMOVDQU POWERS(AX), Y7; \
	MULTIPLY; \
	HASH2(there, 32); \
	HASH2(there, 64); \
	HASH2(there, 96); \
	HASH2(there, 128); \
	HASH2(there, 160); \
	HASH2(there, 192); \
	HASH2(there, 224); \
	REDUCE

// BEGIN sets the registers, hashes the additional data, and puts the encrypted first counter
// block where the tag will be.
#define BEGIN \
	VBROADCASTI128 reverse2<>(SB), Y11; \
	VBROADCASTI128 reduction2<>(SB), Y12; \
	VBROADCASTI128 two<>(SB), Y10; \
	VBROADCASTI128 (BX), Y9; \
	VPXOR (AX), X9, X0; \
	ROUND1(16); ROUND1(32); ROUND1(48); ROUND1(64); ROUND1(80); ROUND1(96); ROUND1(112); \
	ROUND1(128); ROUND1(144); ROUND1(160); ROUND1(176); ROUND1(192); ROUND1(208); \
	VAESENCLAST 224(AX), X0, X0; \
	VMOVDQU X0, 48(BX); \
	VPSHUFB Y11, Y9, Y9; \
	VPADDD first2<>(SB), Y9, Y9; \
	VPXOR X13, X13, X13; \
	HASH1(16)

// FINISH hashes the lengths and makes the tag.
#define FINISH \
	HASH1(32); \
	VPSHUFB X11, X13, X13; \
	VPXOR 48(BX), X13, X13; \
	VMOVDQU X13, 48(BX); \
	VZEROUPPER

// KEYSTREAM16 makes that of sixteen blocks, in Y0 to Y7.
#define KEYSTREAM16 \
	VBROADCASTI128 (AX), Y8; \
	COUNTERS(Y0); COUNTERS(Y1); COUNTERS(Y2); COUNTERS(Y3); \
	COUNTERS(Y4); COUNTERS(Y5); COUNTERS(Y6); COUNTERS(Y7); \
	ROUND16(16); ROUND16(32); ROUND16(48); ROUND16(64); ROUND16(80); ROUND16(96); ROUND16(112); \
	ROUND16(128); ROUND16(144); ROUND16(160); ROUND16(176); ROUND16(192); ROUND16(208); \
	VBROADCASTI128 224(AX), Y8; \
	VAESENCLAST Y8, Y0, Y0; \
	VAESENCLAST Y8, Y1, Y1; \
	VAESENCLAST Y8, Y2, Y2; \
	VAESENCLAST Y8, Y3, Y3; \
	VAESENCLAST Y8, Y4, Y4; \
	VAESENCLAST Y8, Y5, Y5; \
	VAESENCLAST Y8, Y6, Y6; \
	VAESENCLAST Y8, Y7, Y7

// CRYPT16 crypts sixteen blocks.
#define CRYPT16 \
	KEYSTREAM16; \
	VPXOR (SI), Y0, Y0; \
	VPXOR 32(SI), Y1, Y1; \
	VPXOR 64(SI), Y2, Y2; \
	VPXOR 96(SI), Y3, Y3; \
	VPXOR 128(SI), Y4, Y4; \
	VPXOR 160(SI), Y5, Y5; \
	VPXOR 192(SI), Y6, Y6; \
	VPXOR 224(SI), Y7, Y7; \
	VMOVDQU Y0, (DI); \
	VMOVDQU Y1, 32(DI); \
	VMOVDQU Y2, 64(DI); \
	VMOVDQU Y3, 96(DI); \
	VMOVDQU Y4, 128(DI); \
	VMOVDQU Y5, 160(DI); \
	VMOVDQU Y6, 192(DI); \
	VMOVDQU Y7, 224(DI)

// STEP16 goes on behind sixteen blocks. The last flags say whether as many are left.
#define STEP16 \
	ADDQ $256, SI; \
	ADDQ $256, DI; \
	SUBQ $256, CX

// KEYSTREAM2 makes that of two blocks, in Y0.
#define KEYSTREAM2 \
	VBROADCASTI128 (AX), Y8; \
	COUNTERS(Y0); \
	ROUND2(16); ROUND2(32); ROUND2(48); ROUND2(64); ROUND2(80); ROUND2(96); ROUND2(112); \
	ROUND2(128); ROUND2(144); ROUND2(160); ROUND2(176); ROUND2(192); ROUND2(208); \
	VBROADCASTI128 224(AX), Y8; \
	VAESENCLAST Y8, Y0, Y0

// REST has R8 point at the powers for the CX bytes that are left, 1 to 255.
#define REST \
	CLEAR; \
	LEAQ 15(CX), R9; \
	ANDQ $~15, R9; \
	LEAQ (POWERS+256)(AX), R8; \
	SUBQ R9, R8

// HASHPART adds the products of the two blocks in Y8.
#define HASHPART \
	VPSHUFB Y11, Y8, Y8; \
	VPXOR Y13, Y8, Y8; \
	VPXOR Y13, Y13, Y13; \
	VMOVDQU (R8), Y7; \
	MULTIPLY

// STEP2 goes on behind two blocks. The last flags say whether as many are left.
#define STEP2 \
	ADDQ $32, SI; \
	ADDQ $32, DI; \
	ADDQ $32, R8; \
	SUBQ $32, CX

// func seal2(s *schedule, m *message, dst, src *byte, n int)
TEXT ·seal2(SB), NOSPLIT, $0-40
	MOVQ s+0(FP), AX
	MOVQ m+8(FP), BX
	MOVQ dst+16(FP), DI
	MOVQ src+24(FP), SI
	MOVQ n+32(FP), CX
	BEGIN
	SUBQ $256, CX
	JLT rest

whole:
	CRYPT16
	HASH16(DI)
	STEP16
	JGE whole

rest:
	ADDQ $256, CX
	JEQ finish
	REST
	SUBQ $32, CX
	JLT tail

pair:
	KEYSTREAM2
	VPXOR (SI), Y0, Y8
	VMOVDQU Y8, (DI)
	HASHPART
	STEP2
	JGE pair

tail:
	ADDQ $32, CX
	JEQ reduce
	KEYSTREAM2
	VPXOR TAIL(BX), Y0, Y8
	VMOVDQU Y8, TAIL(BX)
	LEAQ ones<>+32(SB), R9
	SUBQ CX, R9
	VPAND (R9), Y8, Y8 // zeros behind the end
	HASHPART

reduce:
	REDUCE

finish:
	FINISH
	RET

// func open2(s *schedule, m *message, dst, src *byte, n int)
TEXT ·open2(SB), NOSPLIT, $0-40
	MOVQ s+0(FP), AX
	MOVQ m+8(FP), BX
	MOVQ dst+16(FP), DI
	MOVQ src+24(FP), SI
	MOVQ n+32(FP), CX
	BEGIN
	SUBQ $256, CX
	JLT rest

whole:
	HASH16(SI)
	CRYPT16
	STEP16
	JGE whole

rest:
	ADDQ $256, CX
	JEQ finish
	REST
	SUBQ $32, CX
	JLT tail

pair:
	VMOVDQU (SI), Y14
	KEYSTREAM2
	VPXOR Y14, Y0, Y0
	VMOVDQU Y0, (DI)
	VMOVDQA Y14, Y8
	HASHPART
	STEP2
	JGE pair

tail:
	ADDQ $32, CX
	JEQ reduce
	VMOVDQU TAIL(BX), Y14
	KEYSTREAM2
	VPXOR Y14, Y0, Y0
	VMOVDQU Y0, TAIL(BX)
	VMOVDQA Y14, Y8
	HASHPART

reduce:
	REDUCE

finish:
	FINISH
	RET

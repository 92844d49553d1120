//go:build gc && !purego

#include "textflag.h"

// Registers that keep their meaning:
//
//	Z12	the constant of the reduction, in the low half of each lane
//	X13	the hash so far, its bytes reversed, the upper lanes zero
//	Z14	4 in the lowest word of each lane
//	Z15	the next four counter blocks, their bytes reversed
//	Z16 to Z30	the round keys, one in all lanes
//	Z31	reverses the bytes of each lane
//
// Z0 to Z11 hold what is worked on: Z0 to Z3 blocks that are encrypted, and products; Z4 to Z6
// the sum of products; Z7 powers; Z8 to Z11 blocks that are hashed.
//
// AX is the schedule, BX the message, DI to where, SI from where, CX how many bytes. In the
// rest, R8 are the powers, R9 is how many bytes are next, K1 their mask; R10 and R11 make it.

DATA reverse<>+0(SB)/8, $0x08090a0b0c0d0e0f
DATA reverse<>+8(SB)/8, $0x0001020304050607
GLOBL reverse<>(SB), RODATA|NOPTR, $16

// The high half of y^127 + y^126 + y^121.
DATA reduction<>+0(SB)/8, $0xc200000000000000
DATA reduction<>+8(SB)/8, $0
GLOBL reduction<>(SB), RODATA|NOPTR, $16

// What is added to the first counter, by lane.
DATA first<>+0(SB)/8, $1
DATA first<>+8(SB)/8, $0
DATA first<>+16(SB)/8, $2
DATA first<>+24(SB)/8, $0
DATA first<>+32(SB)/8, $3
DATA first<>+40(SB)/8, $0
DATA first<>+48(SB)/8, $4
DATA first<>+56(SB)/8, $0
GLOBL first<>(SB), RODATA|NOPTR, $64

DATA four<>+0(SB)/8, $4
DATA four<>+8(SB)/8, $0
GLOBL four<>(SB), RODATA|NOPTR, $16

// schedule.powers, and the last of them.
#define POWERS 240
#define POWER1 480

// A round of AES of four blocks, of sixteen, and of one.
#define ROUND4(key) \
	VAESENC key, Z0, Z0

#define ROUND16(key) \
	VAESENC key, Z0, Z0; \
	VAESENC key, Z1, Z1; \
	VAESENC key, Z2, Z2; \
	VAESENC key, Z3, Z3

#define ROUND1(key) \
	VAESENC key, X0, X0

// COUNTERS makes the next four counter blocks, with the first round key.
#define COUNTERS(to) \
	VPSHUFB Z31, Z15, to; \
	VPADDD Z14, Z15, Z15; \
	VPXORQ Z16, to, to

// MULTIPLY adds to Z4 (low), Z5 (middle) and Z6 (high) the products of the lanes of
// data and Z7. It uses Z0 to Z3.
#define MULTIPLY(data) \
	VPCLMULQDQ $0x00, Z7, data, Z0; \
	VPCLMULQDQ $0x01, Z7, data, Z1; \
	VPCLMULQDQ $0x10, Z7, data, Z2; \
	VPCLMULQDQ $0x11, Z7, data, Z3; \
	VPXORQ Z0, Z4, Z4; \
	VPTERNLOGQ $0x96, Z1, Z2, Z5; \
	VPXORQ Z3, Z6, Z6

// REDUCE divides the products by y^128 modulo the polynomial: its lowest words, times what
// makes them vanish, are added twice. X13 becomes the sum of the lanes. It uses Z0.
#define REDUCE \
	VPCLMULQDQ $0x00, Z12, Z4, Z0; \
	VPSHUFD $0x4e, Z4, Z4; \
	VPTERNLOGQ $0x96, Z0, Z4, Z5; \
	VPCLMULQDQ $0x00, Z12, Z5, Z0; \
	VPSHUFD $0x4e, Z5, Z5; \
	VPTERNLOGQ $0x96, Z0, Z5, Z6; \
	VEXTRACTI64X4 $1, Z6, Y0; \
	VPXOR Y0, Y6, Y6; \
	VEXTRACTI128 $1, Y6, X0; \
	VPXOR X0, X6, X13

#define CLEAR \
	VPXORQ Z4, Z4, Z4; \
	VPXORQ Z5, Z5, Z5; \
	VPXORQ Z6, Z6, Z6

// HASH1 hashes the block at an offset in the message.
#define HASH1(offset) \
	VMOVDQU offset(BX), X8; \
	VPSHUFB X31, X8, X8; \
	VPXORQ X13, X8, X8; \
	VMOVDQU POWER1(AX), X7; \
	CLEAR; \
	MULTIPLY(Z8); \
	REDUCE

// HASH16 hashes the sixteen blocks in Z8 to Z11, their bytes reversed.
#define HASH16 \
	CLEAR; \
	VPXORQ Z13, Z8, Z8; \
	VMOVDQU64 (POWERS+0)(AX), Z7; \
	MULTIPLY(Z8); \
	VMOVDQU64 (POWERS+64)(AX), Z7; \
	MULTIPLY(Z9); \
	VMOVDQU64 (POWERS+128)(AX), Z7; \
	MULTIPLY(Z10); \
	VMOVDQU64 (POWERS+192)(AX), Z7; \
	MULTIPLY(Z11); \
	REDUCE

// BEGIN sets the registers, hashes the additional data, and puts the encrypted first counter
// block where the tag will be.
#define BEGIN \
	VBROADCASTI32X4 reverse<>(SB), Z31; \
	VBROADCASTI32X4 reduction<>(SB), Z12; \
	VBROADCASTI32X4 four<>(SB), Z14; \
	VBROADCASTI32X4 0(AX), Z16; \
	VBROADCASTI32X4 16(AX), Z17; \
	VBROADCASTI32X4 32(AX), Z18; \
	VBROADCASTI32X4 48(AX), Z19; \
	VBROADCASTI32X4 64(AX), Z20; \
	VBROADCASTI32X4 80(AX), Z21; \
	VBROADCASTI32X4 96(AX), Z22; \
	VBROADCASTI32X4 112(AX), Z23; \
	VBROADCASTI32X4 128(AX), Z24; \
	VBROADCASTI32X4 144(AX), Z25; \
	VBROADCASTI32X4 160(AX), Z26; \
	VBROADCASTI32X4 176(AX), Z27; \
	VBROADCASTI32X4 192(AX), Z28; \
	VBROADCASTI32X4 208(AX), Z29; \
	VBROADCASTI32X4 224(AX), Z30; \
	VBROADCASTI32X4 (BX), Z15; \
	VPXORQ X16, X15, X0; \
	ROUND1(X17); ROUND1(X18); ROUND1(X19); ROUND1(X20); ROUND1(X21); ROUND1(X22); ROUND1(X23); \
	ROUND1(X24); ROUND1(X25); ROUND1(X26); ROUND1(X27); ROUND1(X28); ROUND1(X29); \
	VAESENCLAST X30, X0, X0; \
	VMOVDQU X0, 48(BX); \
	VPSHUFB Z31, Z15, Z15; \
	VPADDD first<>(SB), Z15, Z15; \
	VPXOR X13, X13, X13; \
	HASH1(16)

// FINISH hashes the lengths and makes the tag.
#define FINISH \
	HASH1(32); \
	VPSHUFB X31, X13, X13; \
	VPXOR 48(BX), X13, X13; \
	VMOVDQU X13, 48(BX); \
	VZEROUPPER

// KEYSTREAM16 makes that of sixteen blocks, in Z0 to Z3.
#define KEYSTREAM16 \
	COUNTERS(Z0); COUNTERS(Z1); COUNTERS(Z2); COUNTERS(Z3); \
	ROUND16(Z17); ROUND16(Z18); ROUND16(Z19); ROUND16(Z20); ROUND16(Z21); ROUND16(Z22); ROUND16(Z23); \
	ROUND16(Z24); ROUND16(Z25); ROUND16(Z26); ROUND16(Z27); ROUND16(Z28); ROUND16(Z29); \
	VAESENCLAST Z30, Z0, Z0; \
	VAESENCLAST Z30, Z1, Z1; \
	VAESENCLAST Z30, Z2, Z2; \
	VAESENCLAST Z30, Z3, Z3

// KEYSTREAM4 makes that of four blocks, in Z0.
#define KEYSTREAM4 \
	COUNTERS(Z0); \
	ROUND4(Z17); ROUND4(Z18); ROUND4(Z19); ROUND4(Z20); ROUND4(Z21); ROUND4(Z22); ROUND4(Z23); \
	ROUND4(Z24); ROUND4(Z25); ROUND4(Z26); ROUND4(Z27); ROUND4(Z28); ROUND4(Z29); \
	VAESENCLAST Z30, Z0, Z0

// REST has R8 point at the powers for the CX bytes that are left, 1 to 255.
#define REST \
	CLEAR; \
	LEAQ 15(CX), R9; \
	ANDQ $~15, R9; \
	LEAQ (POWERS+256)(AX), R8; \
	SUBQ R9, R8

// MASK makes K1 select as many of the next 64 bytes as are left.
#define MASK \
	MOVQ $64, R9; \
	CMPQ CX, R9; \
	CMOVQLT CX, R9; \
	MOVQ $64, R10; \
	SUBQ R9, R10; \
	MOVQ $-1, R11; \
	SHRXQ R10, R11, R11; \
	KMOVQ R11, K1

// PART crypts these bytes, which it leaves in Z8 as they were and in Z0 as they are then,
// with something behind.
#define PART \
	MASK; \
	KEYSTREAM4; \
	VMOVDQU8.Z (SI), K1, Z8; \
	VPXORQ Z8, Z0, Z0; \
	VMOVDQU8 Z0, K1, (DI)

// HASHPART adds the products of the blocks in Z8, and goes on behind them. The last flags
// say whether bytes are left.
#define HASHPART \
	VPSHUFB Z31, Z8, Z8; \
	VPXORQ Z13, Z8, Z8; \
	VPXORQ Z13, Z13, Z13; \
	VMOVDQU64 (R8), Z7; \
	MULTIPLY(Z8); \
	ADDQ R9, SI; \
	ADDQ R9, DI; \
	ADDQ $64, R8; \
	SUBQ R9, CX

// STORE16 stores sixteen blocks, STEP16 goes on behind them. The last flags say whether as many
// are left.
#define STORE16 \
	VMOVDQU64 Z0, (DI); \
	VMOVDQU64 Z1, 64(DI); \
	VMOVDQU64 Z2, 128(DI); \
	VMOVDQU64 Z3, 192(DI)

#define STEP16 \
	ADDQ $256, SI; \
	ADDQ $256, DI; \
	SUBQ $256, CX

// func seal4(s *schedule, m *message, dst, src *byte, n int)
TEXT ·seal4(SB), NOSPLIT, $0-40
	MOVQ s+0(FP), AX
	MOVQ m+8(FP), BX
	MOVQ dst+16(FP), DI
	MOVQ src+24(FP), SI
	MOVQ n+32(FP), CX
	BEGIN
	SUBQ $256, CX
	JLT rest

whole:
	KEYSTREAM16
	VPXORQ (SI), Z0, Z0
	VPXORQ 64(SI), Z1, Z1
	VPXORQ 128(SI), Z2, Z2
	VPXORQ 192(SI), Z3, Z3
	STORE16
	VPSHUFB Z31, Z0, Z8
	VPSHUFB Z31, Z1, Z9
	VPSHUFB Z31, Z2, Z10
	VPSHUFB Z31, Z3, Z11
	HASH16
	STEP16
	JGE whole

rest:
	ADDQ $256, CX
	JEQ finish
	REST

some:
	PART
	VMOVDQU8.Z Z0, K1, Z8 // zeros behind the end
	HASHPART
	JNE some
	REDUCE

finish:
	FINISH
	RET

// func open4(s *schedule, m *message, dst, src *byte, n int)
TEXT ·open4(SB), NOSPLIT, $0-40
	MOVQ s+0(FP), AX
	MOVQ m+8(FP), BX
	MOVQ dst+16(FP), DI
	MOVQ src+24(FP), SI
	MOVQ n+32(FP), CX
	BEGIN
	SUBQ $256, CX
	JLT rest

whole:
	VMOVDQU64 (SI), Z8
	VMOVDQU64 64(SI), Z9
	VMOVDQU64 128(SI), Z10
	VMOVDQU64 192(SI), Z11
	KEYSTREAM16
	VPXORQ Z8, Z0, Z0
	VPXORQ Z9, Z1, Z1
	VPXORQ Z10, Z2, Z2
	VPXORQ Z11, Z3, Z3
	STORE16
	VPSHUFB Z31, Z8, Z8
	VPSHUFB Z31, Z9, Z9
	VPSHUFB Z31, Z10, Z10
	VPSHUFB Z31, Z11, Z11
	HASH16
	STEP16
	JGE whole

rest:
	ADDQ $256, CX
	JEQ finish
	REST

some:
	PART
	HASHPART
	JNE some
	REDUCE

finish:
	FINISH
	RET

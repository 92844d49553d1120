// Package gcm is AES-256-GCM (NIST SP 800-38D) for packets, with the wide vector
// instructions of newer amd64 processors (VAES and VPCLMULQDQ on 512 bits or on 256), which
// crypto/aes does not use: datagrams of 1400 bytes take half the time. Everywhere else it
// is crypto/aes.
//
// The instructions take the same time whatever the key and the data, and no memory is
// addressed by either.
package gcm

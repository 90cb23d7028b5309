package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"fmt"
	"math/big"
	"math/bits"
	"math/rand/v2"
)

func cryptoPart(out *bytes.Buffer) error {
	seed := make([]byte, 32)
	for i := range seed {
		seed[i] = byte(i * 7)
	}
	message := bytes.Repeat([]byte("message "), 1000)
	fmt.Fprintf(out, "%x\n%x\n%x\n", sha256.Sum256(message), sha512.Sum512(message), sha3.Sum256(message))
	mac := hmac.New(sha256.New, seed)
	mac.Write(message)
	fmt.Fprintf(out, "%x\n", mac.Sum(nil))

	key := ed25519.NewKeyFromSeed(seed)
	signature := ed25519.Sign(key, message)
	public := key.Public().(ed25519.PublicKey)
	fmt.Fprintf(out, "%x %v %v\n", signature, ed25519.Verify(public, message, signature), ed25519.Verify(public, message[1:], signature))

	block, err := aes.NewCipher(seed)
	if err != nil {
		return err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	nonce := seed[:gcm.NonceSize()]
	sealed := gcm.Seal(nil, nonce, message, []byte("beside"))
	fmt.Fprintf(out, "%x %x\n", sealed[:16], sealed[len(sealed)-16:])
	opened, err := gcm.Open(nil, nonce, sealed, []byte("beside"))
	fmt.Fprintln(out, bytes.Equal(opened, message), err)
	sealed[3] ^= 1
	_, err = gcm.Open(nil, nonce, sealed, []byte("beside"))
	fmt.Fprintln(out, err)
	stream := make([]byte, 64)
	cipher.NewCTR(block, seed[:16]).XORKeyStream(stream, message[:64])
	fmt.Fprintf(out, "%x\n", stream)

	private, err := ecdh.X25519().NewPrivateKey(seed)
	if err != nil {
		return err
	}
	secret, err := private.ECDH(private.PublicKey())
	fmt.Fprintf(out, "%x %v\n", secret, err)
	derived, err := hkdf.Key(sha256.New, seed, nil, "info", 20)
	fmt.Fprintf(out, "%x %v\n", derived, err)
	stretched, err := pbkdf2.Key(sha256.New, "password", seed, 100, 16)
	fmt.Fprintf(out, "%x %v\n", stretched, err)
	return nil
}

func bigPart(out *bytes.Buffer) error {
	factorial := big.NewInt(1)
	for i := int64(2); i <= 300; i++ {
		factorial.Mul(factorial, big.NewInt(i))
	}
	fmt.Fprintln(out, factorial, factorial.BitLen())
	prime, _ := new(big.Int).SetString("170141183460469231731687303715884105727", 10)
	fmt.Fprintln(out, prime.ProbablyPrime(10), new(big.Int).Exp(big.NewInt(3), factorial, prime), new(big.Int).ModInverse(big.NewInt(12345), prime))
	quotient, rest := new(big.Int).QuoRem(factorial, new(big.Int).Mul(prime, prime), new(big.Int))
	fmt.Fprintln(out, quotient.Text(36), rest.Text(16), new(big.Int).Sqrt(factorial))
	ratio := big.NewRat(355, 113)
	fmt.Fprintln(out, ratio.Add(ratio, big.NewRat(1, 7)), ratio.FloatString(40))
	two := new(big.Float).SetPrec(300).SetInt64(2)
	fmt.Fprintln(out, new(big.Float).SetPrec(300).Sqrt(two).Text('g', 80))
	hi, lo := bits.Mul64(1<<63+12345, 1<<62+999)
	fmt.Fprintln(out, hi, lo, bits.RotateLeft32(0xdeadbeef, 13), bits.ReverseBytes64(1234567), bits.OnesCount64(hi))
	r := rand.New(rand.NewPCG(1, 2))
	fmt.Fprintln(out, r.Perm(20), r.Uint64(), r.Float64(), r.NormFloat64())
	return nil
}

// Asks a signer for a public key and a signature with Taquito's remote signer, which verifies the signature itself.
// node sign.mjs URL HASH MAGIC_BYTE BYTES
import { RemoteSigner } from "@taquito/remote-signer";

const [url, hash, magicByte, bytes] = process.argv.slice(2);
const signer = new RemoteSigner(hash, url);
const publicKey = await signer.publicKey();
const signed = await signer.sign(bytes, Uint8Array.from([Number(magicByte)]));
console.log(JSON.stringify({ publicKey, signature: signed.prefixSig }));

//! Cyclic redundancy checks: of a stream, and of two parts put together. Pure.
//!
//! CRC-32 of bytes is `crc32fast`'s business, which uses the processor's own instructions. The
//! other two run on tables, faster than the MD5 that every object needs anyway.

/// One kind of check, bits reflected, register and result inverted.
#[derive(Debug)]
pub(crate) struct Crc {
    n_bits: u32,
    polynomial: u64,
    /// `tables[k][b]`: what byte `b` becomes when `k` more bytes have passed.
    tables: [[u64; 256]; LANES],
}

/// How many bytes are taken in one step.
const LANES: usize = 8;

/// As in zip and gzip.
pub(crate) static CRC32: Crc = Crc::new(32, 0xEDB8_8320);
/// Castagnoli's.
pub(crate) static CRC32C: Crc = Crc::new(32, 0x82F6_3B78);
/// Of the NVM Express standard.
pub(crate) static CRC64NVME: Crc = Crc::new(64, 0x9A6C_9329_AC4B_C9B5);

impl Crc {
    const fn new(n_bits: u32, polynomial: u64) -> Crc {
        let mut tables = [[0; 256]; LANES];
        let mut byte = 0;
        while byte < 256 {
            let mut register = byte as u64;
            let mut bit = 0;
            while bit < 8 {
                register = step(register, polynomial);
                bit += 1;
            }
            tables[0][byte] = register;
            byte += 1;
        }
        let mut lane = 1;
        while lane < LANES {
            let mut byte = 0;
            while byte < 256 {
                let before = tables[lane - 1][byte];
                tables[lane][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
                byte += 1;
            }
            lane += 1;
        }
        Crc { n_bits, polynomial, tables }
    }

    /// The check of what came before and `bytes`. It is 0 of nothing.
    pub(crate) fn append(&self, before: u64, bytes: &[u8]) -> u64 {
        let mut register = before ^ self.ones();
        let mut chunks = bytes.chunks_exact(LANES);
        for chunk in &mut chunks {
            let mut mixed = register.to_le_bytes();
            for (byte, new) in mixed.iter_mut().zip(chunk) {
                *byte ^= new;
            }
            register = 0;
            for (lane, byte) in mixed.iter().enumerate() {
                register ^= self.tables[LANES - 1 - lane][usize::from(*byte)];
            }
        }
        for byte in chunks.remainder() {
            let [low, ..] = register.to_le_bytes();
            register = (register >> 8) ^ self.tables[0][usize::from(low ^ byte)];
        }
        register ^ self.ones()
    }

    /// The check of two parts, out of the checks of each and the length of the second.
    pub(crate) fn join(&self, first: u64, second: u64, second_bytes: u64) -> u64 {
        self.multiply(first, self.shift(second_bytes)) ^ second
    }

    /// What a check is multiplied with when so many bytes follow: x to the power of 8n.
    fn shift(&self, n_bytes: u64) -> u64 {
        let one = 1 << (self.n_bits - 1);
        let (mut power, mut square, mut n) = (one, one >> 8, n_bytes);
        while n != 0 {
            if n & 1 == 1 {
                power = self.multiply(power, square);
            }
            square = self.multiply(square, square);
            n >>= 1;
        }
        power
    }

    /// The product of two polynomials, modulo ours. The highest bit is the coefficient of x⁰.
    fn multiply(&self, a: u64, mut b: u64) -> u64 {
        let mut product = 0;
        for bit in (0..self.n_bits).rev() {
            if a >> bit & 1 == 1 {
                product ^= b;
            }
            b = step(b, self.polynomial);
        }
        product
    }

    fn ones(&self) -> u64 {
        u64::MAX >> (64 - self.n_bits)
    }
}

/// Multiplies with x.
const fn step(register: u64, polynomial: u64) -> u64 {
    if register & 1 == 1 { register >> 1 ^ polynomial } else { register >> 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [&Crc; 3] = [&CRC32, &CRC32C, &CRC64NVME];

    #[test]
    fn agrees_with_the_published_checks() {
        for (crc, expected, when) in [
            (&CRC32, 0xCBF4_3926, "CRC-32/ISO-HDLC"),
            (&CRC32C, 0xE306_9283, "CRC-32/ISCSI"),
            (&CRC64NVME, 0xAE8B_1486_0A79_9888, "CRC-64/NVME"),
        ] {
            assert_eq!(crc.append(0, b"123456789"), expected, "{when}");
            assert_eq!(crc.append(0, b""), 0, "{when}, of nothing");
        }
    }

    proptest! {
        /// It does not matter where a stream is cut, nor whether the parts are checked one by one.
        #[test]
        fn parts_add_up(first in any::<Vec<u8>>(), second in any::<Vec<u8>>()) {
            for crc in ALL {
                let whole = crc.append(0, &[first.clone(), second.clone()].concat());
                let (a, b) = (crc.append(0, &first), crc.append(0, &second));
                prop_assert_eq!(crc.append(a, &second), whole);
                prop_assert_eq!(crc.join(a, b, second.len() as u64), whole);
            }
            let ours = CRC32.append(0, &first);
            prop_assert_eq!(ours, u64::from(crc32fast::hash(&first)));
        }
    }
}

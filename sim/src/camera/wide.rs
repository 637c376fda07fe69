//! Runs a piece of work with wider vectors where the machine has them. The bits are the same with and without: lanes do not
//! mix, and the compiler fuses no multiplications on its own.

/// Work on many pixels; whatever it calls must be inlined into it to gain anything.
pub(super) trait Wide {
    /// Does the work.
    fn run(self);
}

/// Does the work, compiled for AVX2 where the processor has it.
#[inline]
pub(super) fn run_wide(work: impl Wide) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        #[target_feature(enable = "avx2")]
        fn with_avx2(work: impl Wide) {
            work.run();
        }
        // SAFETY: the processor has just said that it has AVX2, which is all that `with_avx2` asks for.
        #[allow(
            unsafe_code,
            reason = "the only way to wider vectors that does not ask users to build for their own processor"
        )]
        unsafe {
            with_avx2(work);
        }
        return;
    }
    work.run();
}

//! Finds out whether there is a display and a graphics driver before the renderer would panic about it.

use std::path::PathBuf;
use std::sync::LazyLock;

const RECORD: &str = "without one, record a film: roadproof watch --record film.mp4";

/// Refuses to open a window where there is no display.
///
/// # Errors
/// One sentence with the command that helps.
pub fn check_display() -> anyhow::Result<()> {
    if !cfg!(all(unix, not(target_os = "macos"))) {
        return Ok(());
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // The window speaks X11; a Wayland desktop brings a server for it along.
    let Some(display) = variable("DISPLAY") else {
        anyhow::bail!("no display to open a window on, DISPLAY is not set; {RECORD}, or run under: xvfb-run -a");
    };
    // Displays of this machine have a socket; those of others are found out about when the window opens.
    let local = display.strip_prefix(':').or_else(|| display.strip_prefix("unix:"));
    let number = local.map(|local| local.split('.').next().unwrap_or(local));
    if let Some(number) = number {
        let socket = PathBuf::from(format!("/tmp/.X11-unix/X{number}"));
        if let Err(error) = std::os::unix::net::UnixStream::connect(&socket) {
            anyhow::bail!(
                "no display to open a window on, DISPLAY is {display:?} and nothing answers ({error}); {RECORD}, or run under: xvfb-run -a"
            );
        }
    }
    Ok(())
}

/// What draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graphics {
    /// A graphics card.
    Card,
    /// A software renderer.
    Processor,
}

/// The graphics drivers, which stay loaded for as long as the program runs: with NVIDIA's, programs that render in several threads
/// crashed inside of its libraries when it was unloaded in between, and do not since.
static DRIVERS: LazyLock<wgpu::Instance> =
    LazyLock::new(|| wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle()));

/// Refuses to start the renderer where there is no graphics driver, and tells what there is.
///
/// # Errors
/// One sentence with the command that helps.
pub fn check_graphics() -> anyhow::Result<Graphics> {
    // The one that bevy would take.
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..wgpu::RequestAdapterOptions::default()
    };
    let found = bevy::tasks::block_on(DRIVERS.request_adapter(&options));
    let helps = if cfg!(target_os = "linux") {
        "install one, software will do: apt-get install mesa-vulkan-drivers"
    } else {
        "install the graphics card's driver"
    };
    let adapter = found.map_err(|_| anyhow::anyhow!("no graphics driver that could draw was found; {helps}"))?;
    Ok(match adapter.get_info().device_type {
        wgpu::DeviceType::Cpu => Graphics::Processor,
        _ => Graphics::Card,
    })
}

/// Runs what may panic in somebody else's code, and makes an error of it.
///
/// # Errors
/// What the panic said.
pub fn caught<T>(what: &str, run: impl FnOnce() -> T) -> anyhow::Result<T> {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    std::panic::set_hook(before);
    result.map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
        anyhow::anyhow!("{what}: {}", words.unwrap_or_else(|| "the renderer gave up".to_owned()))
    })
}

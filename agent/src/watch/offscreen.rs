//! Rendering into memory: no window, no event loop, and each picture read back in the update that made it.

use anyhow::Context;
use bevy::app::{App, PluginGroupBuilder, PluginsState};
use bevy::asset::{Assets, Handle};
use bevy::image::Image;
use bevy::render::pipelined_rendering::PipelinedRenderingPlugin;
use bevy::render::render_asset::RenderAssets;
use bevy::render::render_resource::{
    BufferDescriptor, BufferUsages, CommandEncoderDescriptor, MapMode, PipelineCache, PollType, TexelCopyBufferInfo,
    TexelCopyBufferLayout, TextureFormat, TextureUsages,
};
use bevy::render::renderer::{RenderDevice, RenderQueue};
use bevy::render::texture::GpuImage;
use bevy::render::{RenderApp, RenderPlugin};
use bevy::window::{ExitCondition, WindowPlugin};
use bevy::winit::WinitPlugin;

/// Takes the window out of a group of plugins.
#[must_use]
pub fn without_window(plugins: PluginGroupBuilder) -> PluginGroupBuilder {
    let window =
        WindowPlugin { primary_window: None, exit_condition: ExitCondition::DontExit, ..WindowPlugin::default() };
    // Pictures are read back from the renderer's own world, which must stay where it is.
    plugins.set(window).disable::<WinitPlugin>().disable::<PipelinedRenderingPlugin>()
}

/// A renderer that shows nothing before its shaders are compiled.
#[must_use]
pub fn whole_pictures() -> RenderPlugin {
    RenderPlugin { synchronous_pipeline_compilation: true, ..RenderPlugin::default() }
}

/// A picture to render into and read back.
#[must_use]
pub fn target(images: &mut Assets<Image>, width: u32, height: u32, format: TextureFormat) -> Handle<Image> {
    let mut image = Image::new_target_texture(width, height, format, None);
    image.texture_descriptor.usage |= TextureUsages::COPY_SRC;
    images.add(image)
}

/// Gets an app ready that has no event loop of its own.
pub fn finish(app: &mut App) {
    while app.plugins_state() == PluginsState::Adding {
        bevy::tasks::tick_global_task_pools_on_main_thread();
    }
    app.finish();
    app.cleanup();
}

/// Updates at most until every shader is there.
const MOST_WARM_UPDATES: usize = 200;
/// Updates at least: panels lay themselves out in the first ones.
const LEAST_WARM_UPDATES: usize = 4;

/// Updates an app until all of its shaders are there.
pub fn warm_up(app: &mut App) {
    for update in 0..MOST_WARM_UPDATES {
        app.update();
        let cache = app.sub_app(RenderApp).world().resource::<PipelineCache>();
        if update >= LEAST_WARM_UPDATES && cache.waiting_pipelines().next().is_none() {
            break;
        }
    }
}

/// The bytes of a texture as they are after the last update, row by row.
///
/// # Errors
/// If the device gives nothing.
pub fn read_back(app: &App, image: &Handle<Image>, bytes_per_pixel: usize) -> anyhow::Result<Vec<u8>> {
    let (device, queue) = (app.world().resource::<RenderDevice>(), app.world().resource::<RenderQueue>());
    let images = app.sub_app(RenderApp).world().resource::<RenderAssets<GpuImage>>();
    let texture = images.get(image).context("the renderer has made no picture")?;
    let size = texture.texture_descriptor.size;
    let row = size.width as usize * bytes_per_pixel;
    let padded = RenderDevice::align_copy_bytes_per_row(row);
    let buffer = device.create_buffer(&BufferDescriptor {
        label: None,
        size: (padded * size.height as usize) as u64,
        usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor::default());
    let layout = TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(padded as u32), rows_per_image: None };
    encoder.copy_texture_to_buffer(
        texture.texture.as_image_copy(),
        TexelCopyBufferInfo { buffer: &buffer, layout },
        size,
    );
    queue.submit([encoder.finish()]);
    let slice = buffer.slice(..);
    let (sender, receiver) = std::sync::mpsc::channel();
    slice.map_async(MapMode::Read, move |mapped| {
        // Nobody listens any more only if the wait below has failed.
        let _ = sender.send(mapped);
    });
    device.poll(PollType::wait_indefinitely()).context("waiting for the graphics device")?;
    receiver.recv().context("the graphics device did not answer")?.context("reading a picture back")?;
    let data = slice.get_mapped_range();
    let rows: Vec<u8> = data.chunks(padded).flat_map(|line| line[..row].iter().copied()).collect();
    drop(data);
    buffer.unmap();
    Ok(rows)
}

//! Kernels and weights, made on task threads.

use super::device_task::DeviceTask;
use super::extract::{Queued, Waiting};
use super::memory::{Memory, afford};
use super::slots::Slots;
use crate::gpu::{GpuError, GpuWeights, KernelVariant, Pipelines};
use crate::model::Model;
use crate::request::link::{Report, ReportSender};
use bevy::prelude::*;
use bevy::render::renderer::{RenderAdapterInfo, RenderDevice, RenderQueue};
use std::sync::Arc;

/// A model that can run.
pub struct GpuModel {
    /// The model.
    pub model: Arc<Model>,
    /// Its kernels.
    pub pipelines: Pipelines,
    /// Its weights.
    pub weights: GpuWeights,
}

enum State {
    Nothing,
    Preparing(DeviceTask<Result<GpuModel, GpuError>>, Arc<Model>),
    /// There was no memory for it; tried again when something is asked for.
    NoRoom(Arc<Model>),
    Ready(Arc<GpuModel>),
    Unusable,
}

/// What fills the levels of pictures from the disk cache. It needs no model, and so is there before it.
enum Levels {
    /// Not yet; or it failed, and that of the model does.
    Nothing,
    Preparing(DeviceTask<Result<Pipelines, GpuError>>),
    Ready(Pipelines),
}

/// The model in use, or on its way.
#[derive(Resource)]
pub struct ModelOnGpu {
    state: State,
    levels: Levels,
    variant: KernelVariant,
    /// What kind of adapter it is.
    pub device_type: wgpu::DeviceType,
    computes: bool,
}

impl ModelOnGpu {
    /// No model yet.
    pub fn new(device: &wgpu::Device, info: &RenderAdapterInfo) -> Self {
        let variant = KernelVariant::choose(info, device.features());
        let computes = device.limits().max_compute_invocations_per_workgroup > 0;
        Self { state: State::Nothing, levels: Levels::Nothing, variant, device_type: info.device_type, computes }
    }

    /// The model, once kernels and weights are in place.
    pub fn get(&self) -> Option<&Arc<GpuModel>> {
        match &self.state {
            State::Ready(model) => Some(model),
            State::Nothing | State::Preparing(..) | State::NoRoom(_) | State::Unusable => None,
        }
    }

    /// What [`MipChain`](crate::gpu::MipChain) needs, as soon as it is there.
    pub fn levels(&self) -> Option<&Pipelines> {
        match &self.levels {
            Levels::Ready(levels) => Some(levels),
            Levels::Nothing | Levels::Preparing(_) => self.get().map(|model| &model.pipelines),
        }
    }

    /// Whether pictures from the disk cache need the model.
    fn uploads_need_model(&self) -> bool {
        matches!(self.levels, Levels::Nothing)
    }

    /// Compiles the kernel of the levels, unless that was done.
    fn prepare_levels(&mut self, device: &RenderDevice, queue: &RenderQueue) {
        if self.computes && self.uploads_need_model() {
            let (device, queue, variant) = (device.wgpu_device().clone(), queue.clone(), self.variant);
            let task = DeviceTask::spawn(move || Pipelines::for_levels(&device, &queue, variant));
            self.levels = Levels::Preparing(task);
        }
    }

    fn poll_levels(&mut self) {
        let Levels::Preparing(task) = &mut self.levels else { return };
        let Some(result) = task.poll() else { return };
        self.levels = result.map_or(Levels::Nothing, Levels::Ready);
    }

    /// True if no job can ever run.
    pub fn is_unusable(&self) -> bool {
        matches!(self.state, State::Unusable)
    }
}

/// Whether there is or will be something to make.
pub fn has_work(gpu: Res<ModelOnGpu>, queued: Res<Queued>, slots: Res<Slots>) -> bool {
    let preparing = matches!(gpu.state, State::Preparing(..)) || matches!(gpu.levels, Levels::Preparing(_));
    let again = matches!(gpu.state, State::NoRoom(_)) && !queued.uploads.is_empty() && gpu.uploads_need_model();
    preparing || again || queued.model.is_some() || slots.is_building() || queued.jobs.iter().any(Waiting::can_run)
}

/// Compiles kernels and uploads weights, some tenths of a second on a task thread.
pub fn prepare_model(
    mut gpu: ResMut<ModelOnGpu>,
    mut queued: ResMut<Queued>,
    mut slots: ResMut<Slots>,
    mut memory: Memory,
    device: Res<RenderDevice>,
    sender: Res<ReportSender>,
) {
    let limit = memory.settings.work_memory_bytes;
    if queued.model.is_some() {
        let model = queued.model.take();
        slots.forget();
        memory.kept.forget();
        if let State::Preparing(task, _) = std::mem::replace(&mut gpu.state, State::Nothing) {
            task.let_go();
        }
        gpu.prepare_levels(&device, &memory.queue);
        gpu.state = match model.filter(|_| gpu.computes) {
            Some(model) => prepare(model, &device, &memory.queue, gpu.variant, limit),
            None => unusable("the graphics device has no compute shaders (WebGL?)".into(), &mut queued, &sender),
        };
    }
    gpu.poll_levels();
    let uploads = gpu.uploads_need_model() && !queued.uploads.is_empty();
    if let State::NoRoom(model) = &gpu.state
        && (queued.jobs.iter().any(Waiting::can_run) || uploads || memory.surfaces.want_work())
    {
        gpu.state = prepare(model.clone(), &device, &memory.queue, gpu.variant, limit);
    }
    let State::Preparing(task, model) = &mut gpu.state else { return };
    let (Some(result), model) = (task.poll(), model.clone()) else { return };
    gpu.state = match result {
        Ok(model) => {
            debug!("model on the GPU: {} kB of weights, {:?} kernels", model.weights.bytes() / 1000, gpu.variant);
            State::Ready(Arc::new(model))
        }
        Err(error) if error.is_memory() => {
            queued.fail_jobs(&error, &sender);
            if uploads {
                queued.fail_uploads(&error, &sender);
            }
            memory.surfaces.fail_all(&error, &sender);
            State::NoRoom(model)
        }
        Err(error) => unusable(error.to_string(), &mut queued, &sender),
    };
}

/// Drops all work; the main world decides what becomes of it.
fn unusable(reason: String, queued: &mut Queued, sender: &ReportSender) -> State {
    queued.jobs.clear();
    queued.uploads.clear();
    queued.maps.clear();
    sender.send(Report::Unusable(reason));
    State::Unusable
}

fn prepare(
    model: Arc<Model>,
    device: &RenderDevice,
    queue: &RenderQueue,
    variant: KernelVariant,
    mut limit: u64,
) -> State {
    let (device, queue, of) = (device.wgpu_device().clone(), queue.clone(), model.clone());
    let task = DeviceTask::spawn(move || {
        let weights = GpuWeights::upload(&device, &queue, &model)?;
        afford(&mut limit, weights.bytes(), || "the weights of the model".into())?;
        let pipelines = Pipelines::compile_and_try(&device, &queue, variant, &model.discon.config)?;
        Ok(GpuModel { model, pipelines, weights })
    });
    State::Preparing(task, of)
}

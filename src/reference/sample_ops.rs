//! [`SampleOps`] run at once.

use super::{CpuOps, CpuTensor, borders, rows, sample};
use crate::model::{Codes, Grid, Ops};
use crate::sampling::flow::start_spread;
use crate::sampling::{FlowStep, SampleOps, Stage};
use std::ops::Range;

impl SampleOps for CpuOps<'_> {
    fn condition(&mut self, rows: usize) -> CpuTensor {
        let width = self.model.discon.config.condition_width();
        CpuTensor::new(self.inputs().condition[..rows * width].to_vec(), width)
    }

    fn style(&mut self, rows: usize) -> CpuTensor {
        let width = self.model.discon.config.style_width();
        CpuTensor::new(self.inputs().style[..rows * width].to_vec(), width)
    }

    fn tokens_at(&mut self, positions: &Vec<u32>) -> Vec<u32> {
        rows::tokens_at(&self.tokens, positions)
    }

    fn reopen(&mut self, positions: &Vec<u32>, tokens: &Vec<u32>) {
        let width = self.model.discon.config.context_width();
        sample::reopen(&mut self.tokens, &mut self.context, width, positions, tokens);
    }

    fn token_grid(&mut self) -> Vec<u32> {
        self.tokens.clone()
    }

    fn context(&mut self) -> CpuTensor {
        CpuTensor::new(self.context.clone(), self.model.discon.config.context_width())
    }

    fn positions(&mut self, stage: Stage, range: Range<u32>) -> Vec<u32> {
        let order = match stage {
            Stage::Tokens => &self.inputs().token_order,
            Stage::Latents => &self.inputs().latent_order,
            Stage::Lists => &self.inputs().lists,
        };
        order[range.start as usize..range.end as usize].to_vec()
    }

    fn sample_tokens(&mut self, logits: &CpuTensor, positions: &Vec<u32>, codes: Codes, guided: bool, pass: u32) {
        let (conditional, unconditional) = match guided {
            true => {
                let (first, second) = logits.values.split_at(logits.values.len() / 2);
                (first, Some(second))
            }
            false => (logits.values.as_slice(), None),
        };
        let (keys, items) = (self.keys(positions, pass), self.items_of(positions));
        let tokens = sample::sample_tokens(conditional, unconditional, &keys, &items, codes);
        for (position, token) in positions.iter().zip(tokens) {
            self.tokens[*position as usize] = token;
        }
    }

    fn noise(&mut self, positions: Option<&Vec<u32>>, pass: u32) -> CpuTensor {
        let width = self.model.discon.config.tokenizer.latent_width;
        let all = || (0..self.tokens.len() as u32).collect();
        let positions = positions.cloned().unwrap_or_else(all);
        CpuTensor::new(sample::noise(&self.keys(&positions, pass), &self.items_of(&positions), width), width)
    }

    fn start_spread(&mut self) -> CpuTensor {
        CpuTensor::new(start_spread(self.model), self.model.discon.config.style_width())
    }

    fn flow_step(
        &mut self,
        x: &CpuTensor,
        velocity: &CpuTensor,
        previous: &CpuTensor,
        step: FlowStep,
        guidance: f32,
    ) -> CpuTensor {
        let y = sample::flow_step(&x.values, &velocity.values, &previous.values, step, guidance);
        CpuTensor::new(y, x.shape[1])
    }

    fn commit_latents(&mut self, positions: &Vec<u32>, rows: Option<&Vec<u32>>, latents: &CpuTensor, gain: f32) {
        let width = self.model.discon.config.context_width();
        let latents = rows.map_or(latents.clone(), |rows| self.gather(latents, rows, 1));
        sample::commit_latents(&mut self.context, width, positions, &latents.values, gain);
    }

    fn border_steps(&mut self, pixels: &CpuTensor, grid: Grid) -> CpuTensor {
        CpuTensor::new(borders::border_steps(&pixels.values, grid), 3)
    }

    fn smooth_borders(&mut self, pixels: &CpuTensor, steps: &CpuTensor, grid: Grid) -> CpuTensor {
        CpuTensor::new(borders::smooth_borders(&pixels.values, &steps.values, grid), 3)
    }

    fn write_image(&mut self, pixels: &CpuTensor, _grid: Grid) {
        self.picture = sample::write_image(&pixels.values);
    }
}

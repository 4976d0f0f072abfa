// `pumice/core`: the same without a platform, and the parts that tools are built from.

export * from './errors.ts';
export { openGguf } from './formats/gguf.ts';
export { type ByteSource, bufferSource, type Folder } from './formats/source.ts';
export type { FinishReason, Usage } from './generate/account.ts';
export type { Chunk, GenerateOptions } from './generate/generate.ts';
export { type ImageRows, type Piece, Session } from './generate/session.ts';
export { type DecodeOptions, decodeImage, type ImageDecoder } from './image/decode.ts';
export type { RgbImage } from './image/image.ts';
export { type ImageInput, loadImage } from './image/load.ts';
export { type ChatOptions, Llava, type LoadOptions } from './llava.ts';
export type { Message, MessagePart } from './messages.ts';
export type { PictureOptions, PictureView } from './models/model.ts';
export type { ModelSource } from './models/open.ts';
export type { Reply } from './reply.ts';
export { Engine, type EngineOptions, type Program } from './runtime/engine.ts';
export type { WasmInput, WasmOption } from './runtime/kernels.ts';
export type { Build, Opened, Platform, WorkerHandle } from './runtime/platform.ts';
export { bestBuild } from './runtime/probe.ts';

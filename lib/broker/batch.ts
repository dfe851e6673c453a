/** Records of one tick, contiguous, as one frame for all who stand before them. */
export interface Batch {
  readonly epoch: string
  readonly from: number
  readonly to: number
}

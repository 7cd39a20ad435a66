// How far long transfers are.

/** Bytes of tensors, or of a file; framing is not counted. Begins anew where a transfer is tried again. */
export type UploadProgress = {
  /** So far. */
  readonly sentBytes: number;
  /** In the end. */
  readonly totalBytes: number;
};

/** Bytes of a file, or of tensors; of tensors the total is not known before the end. Begins anew where a transfer is tried again. */
export type DownloadProgress = {
  /** So far. */
  readonly receivedBytes: number;
  /** In the end. */
  readonly totalBytes: number | undefined;
};

/** What it throws ends the transfer. */
export type OnUpload = (progress: UploadProgress) => void;

/** What it throws ends the transfer. */
export type OnDownload = (progress: DownloadProgress) => void;

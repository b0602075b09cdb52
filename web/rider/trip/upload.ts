// Photos: made small on the device, sent with progress, which only XMLHttpRequest tells.
import { accessToken } from "@lib/auth";
import { NoNetwork, problemFrom } from "@lib/errors";

const LONGEST_PX = 1_600;
const QUALITY = 0.8;

/** A JPEG as a data URI, small enough to be kept and sent on a bad network. */
export async function shrunk(file: Blob): Promise<string> {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST_PX / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
  return canvas.toDataURL("image/jpeg", QUALITY);
}

export function bytesOf(dataUri: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(dataUri.slice(dataUri.indexOf(",") + 1)), (c) => c.charCodeAt(0));
}

/** Raises `ApiProblem`; `onProgress` from 0 to 1. */
export async function putPhoto(rental: string, photo: string, onProgress?: (part: number) => void): Promise<void> {
  const token = await accessToken();
  await new Promise<void>((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/api/v1/rentals/${rental}/photo`);
    request.setRequestHeader("authorization", `Bearer ${token}`);
    request.setRequestHeader("content-type", "image/jpeg");
    request.upload.onprogress = (event) => event.lengthComputable && onProgress?.(event.loaded / event.total);
    request.onerror = request.ontimeout = () => failed(new NoNetwork());
    request.onload = () => {
      if (request.status < 300) return done();
      let body: unknown = null;
      try {
        body = JSON.parse(request.responseText);
      } catch {
        // an answer that is not ours: the status says enough
      }
      failed(problemFrom(request.status, body));
    };
    request.send(bytesOf(photo));
  });
}

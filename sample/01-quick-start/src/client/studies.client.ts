import { Inject, Injectable } from '@nestjs/common';
import { MAuthHttpService } from 'nestjs-mauth';
import { firstValueFrom } from 'rxjs';
import { STUDIES_URL } from './studies-url.js';

/** Calls the studies service. `MAuthHttpService` is Nest's `HttpService`; it signs what it sends. */
@Injectable()
export class StudiesClient {
  constructor(
    private readonly http: MAuthHttpService,
    @Inject(STUDIES_URL) private readonly url: string,
  ) {}

  list(page: number) {
    return firstValueFrom(this.http.get<unknown>(`${this.url}/studies`, { params: { page } }));
  }

  create(name: string) {
    return firstValueFrom(this.http.post<unknown>(`${this.url}/studies`, { name }));
  }

  safetyReport() {
    return firstValueFrom(this.http.get<unknown>(`${this.url}/studies/safety-report`));
  }

  upload(name: string, bytes: Uint8Array<ArrayBuffer>) {
    const form = new FormData();
    form.set('document', new Blob([bytes]), name);
    return firstValueFrom(this.http.post<unknown>(`${this.url}/studies/documents`, form));
  }
}
